using VmCrypt.Commands.Libvirt;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Commands.Keys;

/// <summary>The VM that may have an image open, as the commands on key slots take it.</summary>
internal sealed record RunningVm(string? VmName, string? ConnectUri, string? QmpSocket)
{
    /// <summary>Changes the image itself; where the VM has it open, has the VM's QEMU do it.</summary>
    /// <returns>Also whether a VM had it open.</returns>
    public async ValueTask<(T Result, bool Ran)> ChangeAsync<T>(
        Func<ValueTask<T>> offline, Func<RunningKeySlots, ValueTask<T>> online, CancellationToken cancellationToken)
    {
        try
        {
            if (QmpSocket is null)
            {
                return (await offline(), false);
            }
        }
        catch (DeviceBusyException busy) when (busy.ErrorId == ErrorIds.ImageInUse && VmName is not null)
        {
            // That is what the VM's name was given for.
        }

        await using RunningKeySlots slots = await ConnectAsync(cancellationToken);
        return (await online(slots), true);
    }

    private ValueTask<RunningKeySlots> ConnectAsync(CancellationToken cancellationToken) => QmpSocket is null
        ? RunningKeySlots.OfDomainAsync(string.IsNullOrEmpty(ConnectUri) ? LibvirtParameter.DefaultConnectUri : ConnectUri, VmName!, cancellationToken)
        : RunningKeySlots.OfSocketAsync(StreamEndpoint.Parse(QmpSocket), cancellationToken);
}
