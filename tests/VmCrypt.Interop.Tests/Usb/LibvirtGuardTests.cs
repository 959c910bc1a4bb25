using System.Text;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Interop.Tests.Libvirt;

namespace VmCrypt.Interop.Tests.Usb;

/// <summary>A domain whose monitor libvirt keeps to itself, guarded through libvirt.</summary>
public sealed class LibvirtGuardTests(Libvirtd libvirt) : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly string _domain = $"vmcrypt-usb-{Guid.NewGuid().ToString("N")[..8]}";

    public void Dispose()
    {
        Tools.TryRun("virsh", "-c", Libvirtd.Connection, "destroy", _domain);
        _scratch.Dispose();
    }

    [Fact]
    public async Task A_channel_gets_the_lists_filter_in_place_of_the_redirfilter_and_libvirt_stays_in_step()
    {
        libvirt.Require();
        await using UsbLab lab = await UsbLab.OpenAsync();
        libvirt.Virsh("create", DomainFile());
        await using UsbGuard guard = lab.StartGuard(Libvirtd.Connection, _domain);

        await lab.EventuallyAsync(() => Channel(guard)?.Filter == "-1:-1:-1:-1:0", "the filter that allows nothing");
        Assert.StartsWith("vmcrypt-", Channel(guard)!.Id, StringComparison.Ordinal);
        Assert.DoesNotContain("redirdev", libvirt.Virsh("dumpxml", _domain), StringComparison.Ordinal);

        await lab.Store.ChangeAsync(_domain, _ => [Core.Usb.Rules.UsbRuleText.Parse(UsbLab.Stick)], TestContext.Current.CancellationToken);

        await lab.EventuallyAsync(() => Channel(guard)?.Filter == "-1:0x048d:0x1169:-1:1|-1:-1:-1:-1:0", "the list's filter");
        Assert.Contains("running", libvirt.Virsh("domstate", _domain), StringComparison.Ordinal);
    }

    private QemuUsbDevice? Channel(UsbGuard guard) =>
        guard.Vms.FirstOrDefault(vm => vm.Name == _domain)?.Devices.FirstOrDefault(device => device.Type == "usb-redir");

    private string DomainFile() => _scratch.File("domain.xml", Encoding.UTF8.GetBytes($"""
        <domain type='qemu'>
          <name>{_domain}</name><memory unit='MiB'>64</memory>
          <os><type arch='x86_64'>hvm</type></os>
          <devices>
            <controller type='usb' model='qemu-xhci'/>
            <redirdev bus='usb' type='tcp'>
              <source mode='connect' host='127.0.0.1' service='{UsbLab.FreePort()}'><reconnect enabled='yes' timeout='1'/></source>
              <protocol type='raw'/>
            </redirdev>
            <redirfilter><usbdev vendor='0x1234' product='0x5678' allow='yes'/><usbdev allow='no'/></redirfilter>
          </devices>
        </domain>
        """));
}
