using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Languages;

/// <summary>A whitelist in another language.</summary>
/// <param name="Notes">What that language cannot say, and how the text was narrowed for it; never widened.</param>
public sealed record UsbExport(string Text, IReadOnlyList<string> Notes);

/// <summary>Rules read from another language.</summary>
/// <param name="Notes">What the original asks for and a whitelist does not.</param>
public sealed record UsbImport(IReadOnlyList<UsbRule> Rules, IReadOnlyList<string> Notes);

/// <summary>The languages that a whitelist can be written in.</summary>
public enum UsbExportFormat
{
    /// <summary>usbredir's own filter: <c>0x08,0x048d,0x1169,-1,1|…</c></summary>
    UsbredirFilter,

    /// <summary>The <c>filter</c> property of QEMU's usb-redir device.</summary>
    QemuDeviceProperty,

    /// <summary>A <c>&lt;redirfilter&gt;</c> element for a libvirt domain.</summary>
    LibvirtXml,

    /// <summary>Rules for the host's USBGuard daemon.</summary>
    UsbGuardRules,

    /// <summary>Rules for the host's udev, which authorise what the list allows and nothing else.</summary>
    UdevRules,

    /// <summary>The filter options of SPICE clients.</summary>
    SpiceClientFilter,

    /// <summary>Windows device installation policy, as a registry file.</summary>
    WindowsDeviceInstallation,
}
