using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Usb.Guard;

namespace VmCrypt.Commands.Usb;

/// <summary>Enforces the USB whitelists in running VMs.</summary>
[Cmdlet(VerbsLifecycle.Start, "UsbGuard", SupportsShouldProcess = true)]
[OutputType(typeof(UsbGuardService), typeof(UsbEvent))]
public sealed class StartUsbGuardCommand : ForegroundCmdlet
{
    /// <summary>Monitors of QEMU: unix:PATH or tcp:HOST:PORT. Their VMs need not run yet.</summary>
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    public string[] Monitor { get; set; } = [];

    /// <summary>Folders whose sockets (*.qmp, *.sock) are monitors; they come and go.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] MonitorFolder { get; set; } = [];

    /// <summary>libvirt's URI, such as qemu:///system: its running domains.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Libvirt { get; set; }

    /// <summary>Only these domains of libvirt, by name or UUID.</summary>
    [Parameter]
    [Alias("VMName")]
    [ValidateNotNullOrEmpty]
    public string[] Vm { get; set; } = [];

    /// <summary>QEMU's own tablets, mice, keyboards and hubs must be listed too.</summary>
    [Parameter]
    public SwitchParameter JudgeEmulatedInput { get; set; }

    /// <summary>Ids of redirection channels that Start-UsbRedirProxy guards.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] ProxiedChannel { get; set; } = [];

    /// <summary>Leave QEMU's log alone; plugs are then noticed by a look each second.</summary>
    [Parameter]
    public SwitchParameter NoTrace { get; set; }

    /// <summary>Keep devices that are plugged into the host from the host, until a list allows them to a VM.</summary>
    [Parameter]
    public SwitchParameter GateHost { get; set; }

    private protected override void Process()
    {
        var sources = new UsbGuardSources
        {
            Monitors = [.. Monitor.Select(StreamEndpoint.Parse)],
            Folders = [.. MonitorFolder.Select(Shell.ResolveNewPath)],
            Libvirt = Libvirt,
            Domains = Vm,
        };
        if (sources is { Monitors: [], Folders: [], Libvirt: null })
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "Say which VMs to guard: -Monitor, -MonitorFolder or -Libvirt.");
        }

        if (Vm.Length > 0 && Libvirt is null)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "-Vm chooses among the domains of libvirt: give -Libvirt too.");
        }

        if (Shell.ShouldProcess(string.Join(", ", [.. Monitor, .. MonitorFolder, .. Libvirt is null ? [] : new[] { Libvirt }]), "Guard the USB devices of VMs"))
        {
            var options = new UsbGuardOptions
            {
                JudgeEmulatedInput = JudgeEmulatedInput,
                ProxiedChannels = ProxiedChannel.ToHashSet(StringComparer.Ordinal),
                TraceFolder = NoTrace || OperatingSystem.IsWindows() ? null : TraceFolder(),
            };
            Begin(Run(token => UsbGuardService.StartAsync(sources, options, GateHost, token)));
        }
    }

    private protected override IProcessNotice Announce(UsbService service) => UsbNotices.Post((UsbGuardService)service);

    private protected override void Refresh(UsbService service, IProcessNotice notice) =>
        ((ProcessNotice<ForeignUsbGuard>)notice).Update(UsbNotices.Describe((UsbGuardService)service));

    // The runtime folder is nobody's but ours; a QEMU that runs as another user must reach its own file.
    private static string TraceFolder() => Environment.IsPrivilegedProcess ? "/run/vmcrypt-usb" : System.IO.Path.Combine(RuntimeFolder.Require(), "usb");
}
