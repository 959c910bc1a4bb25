using System.Text.Json;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Core.Usb.Guard;

/// <summary>Who waits for which device to be gone.</summary>
internal sealed class Departures
{
    private readonly Dictionary<string, TaskCompletionSource<bool>> _waiting = [];

    /// <summary>Ask before device_del is sent, so that the event cannot slip through.</summary>
    /// <returns>True once the device is gone; false if the guest has refused.</returns>
    public Task<bool> Expect(string path)
    {
        lock (_waiting)
        {
            if (!_waiting.TryGetValue(path, out TaskCompletionSource<bool>? gone))
            {
                _waiting.Add(path, gone = new(TaskCreationOptions.RunContinuationsAsynchronously));
            }

            return gone.Task;
        }
    }

    /// <summary>Takes in an event of QEMU; tells the path of a device that is gone.</summary>
    public string? Take(QemuEvent happening)
    {
        bool deleted = happening.Name == "DEVICE_DELETED";
        if ((!deleted && happening.Name != "DEVICE_UNPLUG_GUEST_ERROR")
            || happening.Data.ValueKind != JsonValueKind.Object
            || !happening.Data.TryGetProperty("path", out JsonElement path) || path.GetString() is not { } gone)
        {
            return null;
        }

        Settle(gone, deleted);
        return deleted ? gone : null;
    }

    /// <summary>The device turned out to be gone without an event.</summary>
    public void Gone(string path) => Settle(path, gone: true);

    private void Settle(string path, bool gone)
    {
        lock (_waiting)
        {
            if (_waiting.Remove(path, out TaskCompletionSource<bool>? waiting))
            {
                waiting.TrySetResult(gone);
            }
        }
    }
}
