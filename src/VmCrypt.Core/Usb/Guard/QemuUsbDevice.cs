namespace VmCrypt.Core.Usb.Guard;

/// <summary>A USB device of a running VM, as QEMU's object tree shows it.</summary>
/// <param name="Path">Its place in the tree; what device_del takes where there is no id.</param>
/// <param name="Id">The id that its maker gave it, if any.</param>
/// <param name="Type">QEMU's name for its kind: <c>usb-host</c>, <c>usb-storage</c>.</param>
public sealed record QemuUsbDevice(string Path, string? Id, string Type)
{
    internal const string RedirType = "usb-redir";
    internal const string HostType = "usb-host";
    internal const string HubType = "usb-hub";

    /// <summary>What it is, as far as QEMU and the host tell; null for a redirection channel, behind which nobody can see.</summary>
    public UsbDeviceDescription? Description { get; init; }

    /// <summary>Of a redirection channel: the filter that QEMU applies; null where there is none.</summary>
    public string? Filter { get; init; }

    /// <summary>Of a redirection channel: something is plugged in behind it.</summary>
    public bool Attached { get; init; }

    public string Name => Id ?? Path;

    internal bool IsRedirection => Type == RedirType;
}
