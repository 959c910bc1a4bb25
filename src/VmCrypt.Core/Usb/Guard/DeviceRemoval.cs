using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Core.Usb.Guard;

/// <summary>Takes a device out of a VM, however long that takes.</summary>
/// <remarks>
/// device_del is a request: the device is gone when DEVICE_DELETED says so. Where that does not come, the device is at least
/// detached from the guest's bus (which asks nobody), the trouble is reported, and the request is repeated.
/// </remarks>
internal sealed class DeviceRemoval(IQemuMonitor monitor, Departures departures, TimeSpan patience)
{
    private static readonly TimeSpan s_firstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(30);

    /// <param name="wanted">Asked before each further attempt: false gives the device back to the guest.</param>
    /// <param name="resisted">Told after each attempt in vain, with QEMU's words.</param>
    /// <returns>Whether the device is gone.</returns>
    /// <exception cref="DeviceFaultException">The monitor is lost; the device may still be there.</exception>
    public async Task<bool> RunAsync(QemuUsbDevice device, Func<bool> wanted, Action<string> resisted, CancellationToken cancellationToken)
    {
        for (TimeSpan pause = s_firstPause; ; pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, s_longestPause.Ticks)))
        {
            if (await TryAsync(device, cancellationToken) is not { } obstacle)
            {
                return true;
            }

            resisted($"{obstacle}; {await AttachAsync(device, attached: false, cancellationToken)}");
            await Task.Delay(pause, cancellationToken);
            if (!wanted())
            {
                await AttachAsync(device, attached: true, cancellationToken);
                return false;
            }
        }
    }

    // Null once the device is gone, else what stands in the way.
    private async Task<string?> TryAsync(QemuUsbDevice device, CancellationToken cancellationToken)
    {
        Task<bool> gone = departures.Expect(device.Path);
        try
        {
            await monitor.ExecuteAsync("device_del", new JsonObject { ["id"] = device.Id ?? device.Path }, cancellationToken);
        }
        catch (MissingException)
        {
            departures.Gone(device.Path);
            return null;
        }
        catch (RefusedException refusal) when (!gone.IsCompleted && !refusal.Message.Contains("in the process of unplug", StringComparison.Ordinal))
        {
            return refusal.Message;
        }
        catch (RefusedException)
        {
            // An earlier request is under way, or has just been met.
        }

        try
        {
            return await gone.WaitAsync(patience, cancellationToken) ? null : "the guest refuses to let the device go";
        }
        catch (TimeoutException)
        {
            return $"the device is still there after {patience.TotalSeconds:0.#} s";
        }
    }

    private async Task<string> AttachAsync(QemuUsbDevice device, bool attached, CancellationToken cancellationToken)
    {
        try
        {
            await monitor.ExecuteAsync("qom-set", new JsonObject { ["path"] = device.Path, ["property"] = "attached", ["value"] = attached }, cancellationToken);
            return "it is detached from the guest's bus meanwhile";
        }
        catch (Exception refusal) when (refusal is RefusedException or MissingException)
        {
            return $"nor can it be detached ({refusal.Message})";
        }
    }
}
