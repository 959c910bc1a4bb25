using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Reencryption.Live;

/// <summary>Zones that are being converted, and which the guest therefore does not write to, or not even read. Changed by its gate only.</summary>
internal sealed class ZoneClaim
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public PayloadRanges Zones { get; } = new();

    /// <summary>Nobody reads either.</summary>
    public bool IsClosed { get; set; }

    /// <summary>The journal may speak of these zones: they cannot be given back as they were.</summary>
    public bool IsEngaged { get; set; }

    /// <summary>Why nobody will ever get them back; null while all goes well.</summary>
    public Exception? Fault { get; private set; }

    /// <summary>Ends with the claim, or when it is broken.</summary>
    public Task Ended => _ended.Task;

    public bool Excludes(PayloadZone range, bool writes) => (writes || IsClosed) && Zones.Overlap(range);

    public void End() => _ended.TrySetResult();

    public void Break(Exception fault)
    {
        (Fault, IsClosed) = (fault, true);
        _ended.TrySetResult();
    }

    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.DeviceIO"/>.</exception>
    public void ThrowIfBroken()
    {
        if (Fault is { } fault)
        {
            throw new DeviceFaultException(ErrorIds.DeviceIO, $"The conversion has failed where these bytes lie, and recovers them when it is gone on with: {fault.Message}", fault);
        }
    }
}
