using VmCrypt.Core.Usb.Lists;

namespace VmCrypt.Core.Usb.Guard;

public enum UsbEventKind
{
    /// <summary>A VM is guarded from now on.</summary>
    VmGuarded,

    /// <summary>A VM cannot be reached (any more); it is tried again and again.</summary>
    VmLost,

    /// <summary>A device or channel has appeared.</summary>
    Plugged,

    Allowed,

    Denied,

    /// <summary>A device is out of its VM.</summary>
    Ejected,

    /// <summary>A device that has to go is still there; it is tried again.</summary>
    Resisted,

    /// <summary>A redirection channel was made anew with the list's filter.</summary>
    Refiltered,

    /// <summary>A device went away by itself.</summary>
    Unplugged,

    /// <summary>A list cannot be used, which denies everything to its VM.</summary>
    ListBroken,

    /// <summary>A list can be used again.</summary>
    ListMended,

    /// <summary>The host offers a device to VMs, its own drivers kept off.</summary>
    HostAuthorized,

    /// <summary>The host has taken the right to be used from a device.</summary>
    HostDeauthorized,

    /// <summary>Something of the guard's own does not work; the reason says what that means.</summary>
    Trouble,
}

/// <summary>A decision about USB, or something that led to one.</summary>
public sealed record UsbEvent(DateTimeOffset Time, UsbEventKind Kind, string Reason)
{
    public VmIdentity? Vm { get; init; }

    /// <summary>Where: the id of QEMU's device, a port of the host, a proxy's address.</summary>
    public string? Channel { get; init; }

    public UsbDeviceDescription? Device { get; init; }

    /// <summary>From the cause (a list's change, a plug) to the effect, where there are both.</summary>
    public TimeSpan? Latency { get; init; }

    public override string ToString() => string.Join(' ', new[]
    {
        $"{Time:HH:mm:ss.fff}", Kind.ToString(), Vm?.Name, Channel, Device?.Id, Latency is { } late ? $"after {late.TotalMilliseconds:0.0} ms" : null, $"({Reason})",
    }.Where(part => part is not null));
}
