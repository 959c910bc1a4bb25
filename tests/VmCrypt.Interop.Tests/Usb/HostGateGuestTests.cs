using System.Runtime.InteropServices;
using VmCrypt.Interop.Tests.Guest;
using VmCrypt.Interop.Tests.Kill;

namespace VmCrypt.Interop.Tests.Usb;

/// <summary>A host of VMs in a guest: a stick that dummy_hcd plugs in, a kernel that would use it, a QEMU that gets it, and vmcrypt between them.</summary>
public sealed class HostGateGuestTests
{
    private const string Libraries = "/usr/lib/x86_64-linux-gnu";
    private const string Qemu = $"{Libraries}/qemu";

    // The stick comes while no list allows it, then a list does and a VM wants it, then the list goes. The kernel's view of it is printed.
    private const string Script = """
        export VMCRYPT_CONFIG=/config QEMU_MODULE_DIR=/usr/lib/x86_64-linux-gnu/qemu DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 HOME=/tmp
        u=/sys/bus/usb/devices
        mkdir -m 700 -p /config/usb; rmmod g_serial
        driver() { basename $(readlink $u/1-1:*.0/driver || echo none); }
        state() { echo "$1 device=$(cat $u/1-1/authorized) interface=$(cat $u/1-1:*.0/authorized 2>/dev/null) driver=$(driver)"; }
        dotnet exec VMCRYPT Start-UsbGuard unix:/run/vm01.qmp -GateHost -Json >/run/events 2>&1 &
        guard=$!
        until [ "$(cat $u/usb1/authorized_default)" = 0 ]; do usleep 100000; kill -0 $guard || cat /run/events; done
        insmod /modules/g_serial.ko idVendor=0x048d idProduct=0x1169 iSerialNumber=A1
        until grep -q HostDeauthorized /run/events; do usleep 100000; done; state CLOSED
        echo '{"rules": ["allow 048d:1169 serial=A1", "allow 048d:1169"]}' >/config/usb/vm-vm01.json
        qemu-system-x86_64 -L /usr/share/seabios -accel tcg -m 16 -nodefaults -display none -name vm01 -device qemu-xhci -device usb-host,vendorid=0x048d,productid=0x1169,id=stick -qmp unix:/run/vm01.qmp,server=on,wait=off &
        qemu=$!
        has() { ls -l /proc/$qemu/fd | grep -q /dev/bus/usb/; }
        until has && [ "$(cat $u/1-1:*.0/authorized)" = 1 ]; do usleep 100000; done; state TAKEN
        rm /config/usb/vm-vm01.json
        until [ "$(cat $u/1-1/authorized)" = 0 ] && ! has && grep -q Ejected /run/events; do usleep 100000; done; state GONE
        kill -TERM $guard; wait $guard; echo "RESTORED $(cat $u/usb1/authorized_default) $(cat $u/usb1/interface_authorized_default)"
        cat /run/events; echo DONE
        """;

    [Fact]
    public async Task A_stick_is_kept_from_the_host_given_to_the_VM_that_may_have_it_and_taken_back()
    {
        using var scratch = new Scratch();
        string runtime = RuntimeEnvironment.GetRuntimeDirectory().TrimEnd('/');
        string dotnet = Path.GetFullPath(Path.Combine(runtime, "..", "..", ".."));
        Assert.SkipUnless(File.Exists($"{Qemu}/hw-usb-host.so"), "QEMU's usb-host is not installed");
        using GuestVm host = GuestVm.Boot(scratch, new GuestOptions
        {
            MemoryMiB = 1024,
            Modules = ["dummy_hcd", "cdc_acm", "usb_f_acm", "g_serial"],
            Programs = ["qemu-system-x86_64"],
            Files = [runtime, Path.Combine(dotnet, "dotnet"), Path.Combine(dotnet, "host"), Path.GetDirectoryName(Vmcrypt.Program)!, $"{Qemu}/hw-usb-host.so", $"{Qemu}/accel-tcg-x86_64.so", "/usr/share/seabios/bios-256k.bin", $"{Libraries}/libssl.so.3", $"{Libraries}/libcrypto.so.3"],
            Script = Script.Replace("dotnet exec VMCRYPT", $"{dotnet}/dotnet exec {Vmcrypt.Program}", StringComparison.Ordinal),
        });

        string log = await host.WaitForAsync("DONE");

        Assert.Contains("CLOSED device=0 interface= driver=none", log, StringComparison.Ordinal);
        Assert.Contains("TAKEN device=1 interface=1 driver=none", log, StringComparison.Ordinal);
        Assert.Contains("GONE device=0 interface= driver=none", log, StringComparison.Ordinal);
        Assert.Contains("RESTORED 1 1", log, StringComparison.Ordinal);
    }
}
