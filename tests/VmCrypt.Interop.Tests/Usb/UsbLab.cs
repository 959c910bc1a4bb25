using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Rules;
using VmCrypt.Interop.Tests.Guest;

namespace VmCrypt.Interop.Tests.Usb;

/// <summary>A user's PC (a guest with a USB gadget that Debian's usbredirect offers), a VM with xHCI, and lists of their own.</summary>
internal sealed class UsbLab : IAsyncDisposable
{
    public const string Stick = "048d:1169";

    // Reports the devices of the USB bus whenever they change.
    private const string ReportDevices = """
        echo UP
        p=; while :; do
          n=$(for d in /sys/bus/usb/devices/*; do [ -e $d/idVendor ] && echo "$(cat $d/idVendor):$(cat $d/idProduct)"; done | sort | tr '\n' ' ')
          [ "$n" = "$p" ] || echo "SEEN $n"; p=$n; usleep 50000
        done
        """;

    private readonly List<GuestVm> _machines = [];
    private readonly Scratch _scratch = new();

    private UsbLab(UsbPolicy policy, UsbWhitelistStore store)
    {
        Policy = policy;
        Store = store;
    }

    public UsbPolicy Policy { get; }

    public UsbWhitelistStore Store { get; }

    public ConcurrentQueue<UsbEvent> Events { get; } = new();

    /// <summary>The VM's monitor.</summary>
    public string Monitor => $"unix:{_scratch["vm.qmp"]}";

    /// <summary>Another monitor of the same VM, for whoever acts behind the guard's back.</summary>
    public string Monitor2 => $"unix:{_scratch["vm2.qmp"]}";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<UsbLab> OpenAsync()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the laboratory needs Linux");
        var store = new UsbWhitelistStore(new ConfigurationFolder(Directory.CreateTempSubdirectory("vmcrypt-lists-").FullName));
        return new UsbLab(await UsbPolicy.OpenAsync(store, Token), store);
    }

    /// <summary>Boots the PC; its serial gadget 048d:1169 is offered at the port that is returned.</summary>
    public int StartPc()
    {
        int port = FreePort();
        _machines.Add(GuestVm.Boot(_scratch, new GuestOptions
        {
            Modules = ["dummy_hcd", "usb_f_acm", "g_serial", "virtio_pci", "virtio_net"],
            Programs = ["usbredirect"],
            Arguments = ["-netdev", $"user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:4000", "-device", "virtio-net-pci,netdev=n"],
            Script = """
                rmmod g_serial; insmod /modules/g_serial.ko idVendor=0x048d idProduct=0x1169 iSerialNumber=A1
                ip link set lo up; ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0
                while :; do usbredirect --device 048d:1169 --as 0.0.0.0:4000; usleep 300000; done
                """,
        }));
        return port;
    }

    /// <summary>Boots the VM.</summary>
    public GuestVm StartVm(params string[] arguments) => StartVm(ReportDevices, arguments);

    /// <summary>Boots the VM with a script of its own.</summary>
    public GuestVm StartVm(string script, string[] arguments)
    {
        GuestVm vm = GuestVm.Boot(_scratch, new GuestOptions
        {
            Modules = ["xhci_pci", "usb_storage", "sd_mod"],
            Arguments = ["-name", "vm01", "-device", "qemu-xhci,id=usb", "-qmp", $"{Monitor},server=on,wait=off", "-qmp", $"{Monitor2},server=on,wait=off", .. arguments],
            Script = script,
        });
        _machines.Add(vm);
        return vm;
    }

    /// <summary>Changes the list of the VM, and waits until it is in force: until then the old one decides.</summary>
    public async Task AllowAsync(params string[] rules)
    {
        UsbRule[] wanted = [.. rules.Select(UsbRuleText.Parse)];
        await Store.ChangeAsync("vm01", _ => wanted, Token);
        await EventuallyAsync(() => Policy.For(new VmIdentity("vm01")).Whitelist.Rules.SequenceEqual(wanted), "the changed list");
    }

    public UsbGuard StartGuard() => new(
        Policy, new UsbGuardSources { Monitors = [StreamEndpoint.Parse(Monitor)] },
        new UsbGuardOptions { TraceFolder = _scratch["trace"] }, Events.Enqueue);

    /// <summary>Guards one domain of libvirt; others on this machine are none of the test's business.</summary>
    public UsbGuard StartGuard(string libvirt, string domain) => new(
        Policy, new UsbGuardSources { Libvirt = libvirt, Domains = [domain] }, new UsbGuardOptions { TraceFolder = _scratch["trace"] }, Events.Enqueue);

    /// <summary>Waits for an event that is not yet among the first <paramref name="after"/>.</summary>
    public async Task<UsbEvent> EventAsync(UsbEventKind kind, int after = 0)
    {
        UsbEvent? found = null;
        await EventuallyAsync(() => (found = Events.Skip(after).FirstOrDefault(one => one.Kind == kind)) is not null, $"the event {kind}");
        return found!;
    }

    public async Task EventuallyAsync(Func<bool> condition, string what)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < TimeSpan.FromMinutes(5), $"{what} did not come within five minutes:\n{Report()}");
            await Task.Delay(10, Token);
        }
    }

    /// <summary>Waits until the guest's last report of its bus has the stick, or has it no longer.</summary>
    public Task SeenAsync(GuestVm vm, bool seen, string device = Stick) => EventuallyAsync(() => Sees(vm, device) == seen, $"the guest {(seen ? "seeing" : "losing")} {device}");

    public static bool Sees(GuestVm vm, string device = Stick) =>
        vm.Log.Split('\n').LastOrDefault(line => line.StartsWith("SEEN", StringComparison.Ordinal))?.Contains(device, StringComparison.Ordinal) == true;

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private string Report() => string.Join('\n', [.. Events.Select(one => one.ToString()).TakeLast(30), .. _machines.SelectMany(machine => machine.Log.Split('\n').TakeLast(15))]);

    public async ValueTask DisposeAsync()
    {
        foreach (GuestVm machine in _machines)
        {
            machine.Dispose();
        }

        await Policy.DisposeAsync();
        Directory.Delete(Path.GetDirectoryName(Store.Path)!, recursive: true);
        _scratch.Dispose();
    }
}
