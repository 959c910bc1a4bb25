using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Redir;

namespace VmCrypt.Commands.Usb;

/// <summary>Puts a firewall between a usbredir host (usbredirect, a client) and QEMU's character device.</summary>
[Cmdlet(VerbsLifecycle.Start, "UsbRedirProxy", SupportsShouldProcess = true)]
[OutputType(typeof(UsbProxyService), typeof(UsbEvent))]
public sealed class StartUsbRedirProxyCommand : ForegroundCmdlet
{
    private const string ListenPrefix = "listen:";

    /// <summary>The VM whose list counts.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [Alias("VMName")]
    [ValidateNotNullOrEmpty]
    public string Vm { get; set; } = string.Empty;

    /// <summary>The side that has devices: unix:PATH or tcp:HOST:PORT to connect to, with listen: before it to be connected to.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    public string From { get; set; } = string.Empty;

    /// <summary>QEMU's character device, in the same form.</summary>
    [Parameter(Mandatory = true, Position = 2)]
    [ValidateNotNullOrEmpty]
    public string To { get; set; } = string.Empty;

    private protected override void Process()
    {
        var options = new UsbRedirProxyOptions(
            Guid.TryParse(Vm, out Guid uuid) ? new VmIdentity(Vm, uuid) : new VmIdentity(Vm), Side(From), Side(To));
        if (Shell.ShouldProcess(Vm, $"Pass USB devices from {From} to {To}, if its list allows them"))
        {
            Begin(Run(token => UsbProxyService.StartAsync(options, token)));
        }
    }

    private protected override IProcessNotice Announce(UsbService service) => UsbNotices.Post((UsbProxyService)service);

    private static UsbRedirSideOptions Side(string text) => text.StartsWith(ListenPrefix, StringComparison.Ordinal)
        ? new UsbRedirSideOptions(StreamEndpoint.Parse(text[ListenPrefix.Length..]), Listen: true)
        : new UsbRedirSideOptions(StreamEndpoint.Parse(text), Listen: false);
}
