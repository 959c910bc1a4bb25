using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Host;

namespace VmCrypt.Commands.Usb;

/// <summary>Shows the USB devices of the host, or of running VMs.</summary>
[Cmdlet(VerbsCommon.Get, "UsbDevice", DefaultParameterSetName = HostSet)]
[OutputType(typeof(UsbDevice))]
public sealed class GetUsbDeviceCommand : VmCryptCmdlet
{
    private const string HostSet = "Host";
    private const string MonitorSet = "Monitor";
    private const string LibvirtSet = "Libvirt";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    /// <summary>Show root hubs and hubs too.</summary>
    [Parameter]
    public SwitchParameter Hub { get; set; }

    /// <summary>Where sysfs shows the host's devices.</summary>
    [Parameter(ParameterSetName = HostSet)]
    [ValidateNotNullOrEmpty]
    public string SysfsPath { get; set; } = HostUsb.DefaultRoot;

    /// <summary>Monitors of QEMU: unix:PATH or tcp:HOST:PORT.</summary>
    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = MonitorSet)]
    [ValidateNotNullOrEmpty]
    public string[] Monitor { get; set; } = [];

    /// <summary>libvirt's URI: its running domains.</summary>
    [Parameter(Mandatory = true, ParameterSetName = LibvirtSet)]
    [ValidateNotNullOrEmpty]
    public string Libvirt { get; set; } = string.Empty;

    /// <summary>Only these domains, by name or UUID.</summary>
    [Parameter(ParameterSetName = LibvirtSet)]
    [ValidateNotNullOrEmpty]
    public string[] Vm { get; set; } = [];

    private protected override void Process()
    {
        switch (Shell.ParameterSet)
        {
            case MonitorSet:
                foreach (string monitor in Monitor)
                {
                    Attempt(monitor, () => Show(VmEndpoint.OfQmp(StreamEndpoint.Parse(monitor), s_patience)));
                }

                break;
            case LibvirtSet:
                Run(ShowDomainsAsync).ForEach(Shell.WriteObject);
                break;
            default:
                foreach (HostUsbDevice device in new HostUsb(Shell.ResolveNewPath(SysfsPath)).Devices().Where(device => Hub || !device.IsHub))
                {
                    Shell.WriteObject(UsbDevice.From(device));
                }

                break;
        }
    }

    private void Show(VmEndpoint endpoint) => Run(token => DevicesAsync(endpoint, token)).ForEach(Shell.WriteObject);

    private async ValueTask<List<UsbDevice>> ShowDomainsAsync(CancellationToken cancellationToken)
    {
        await using var libvirt = new LibvirtHost(Libvirt, s_patience);
        List<UsbDevice> devices = [];
        foreach (LibvirtDomain domain in await libvirt.DomainsAsync(cancellationToken))
        {
            if (Vm.Length == 0 || Vm.Contains(domain.Name) || Vm.Contains(domain.Uuid.ToString("D"), StringComparer.OrdinalIgnoreCase))
            {
                devices.AddRange(await DevicesAsync(VmEndpoint.OfLibvirt(libvirt, domain), cancellationToken));
            }
        }

        return devices;
    }

    private async ValueTask<List<UsbDevice>> DevicesAsync(VmEndpoint endpoint, CancellationToken cancellationToken)
    {
        await using IQemuMonitor monitor = await endpoint.ConnectAsync(cancellationToken);
        string vm = (await endpoint.IdentifyAsync(monitor, cancellationToken)).Name;
        var scanner = new QemuUsbScanner(monitor, new HostUsb());
        await scanner.PrepareAsync(cancellationToken);
        IReadOnlyList<QemuUsbDevice> devices = await scanner.ScanAsync(cancellationToken);
        return [.. devices.Where(device => Hub || device.Type != QemuUsbDevice.HubType).Select(device => UsbDevice.From(vm, device))];
    }
}
