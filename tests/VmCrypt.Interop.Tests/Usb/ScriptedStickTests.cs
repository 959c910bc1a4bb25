using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Tests.Usb.Redir;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Redir;
using VmCrypt.Interop.Tests.Guest;

namespace VmCrypt.Interop.Tests.Usb;

/// <summary>A guest with two sticks that we script: one comes to it directly, the other through the proxy.</summary>
public sealed partial class ScriptedStickTests
{
    private const int DiskSize = 6 * 1024 * 1024;

    // sda is the stick that comes first, which the guest is told to wait for.
    private const string ReadAndWrite = """
        while [ ! -b /dev/sda ] || [ ! -b /dev/sdb ]; do usleep 20000; done
        for d in a b; do echo "DISK $d $(cat /sys/block/sd$d/device/../../../../serial) $(md5sum </dev/sd$d)"; done
        for d in a b; do dd if=/dev/urandom of=/tmp/new bs=64k count=16 2>/dev/null; dd if=/tmp/new of=/dev/sd$d bs=64k conv=fsync 2>/dev/null; echo "WROTE $d $(md5sum </tmp/new)"; done
        echo DONE; while [ -b /dev/sda ] && [ -b /dev/sdb ]; do usleep 20000; done; echo GONE
        """;

    [Fact]
    public async Task Data_passes_the_proxy_whole()
    {
        await using UsbLab lab = await UsbLab.OpenAsync();
        await lab.AllowAsync("048d:1169 class=08 serial=PROXIED");
        byte[] direct = RandomDisk(1), proxied = RandomDisk(2);
        using Socket directPort = Offer(direct, "DIRECT");
        using Socket proxiedPort = Offer(proxied, "PROXIED");
        int qemu = UsbLab.FreePort();
        var options = new UsbRedirProxyOptions(
            new VmIdentity("vm01"), new(EndpointOf(proxiedPort), Listen: false), new(StreamEndpoint.Parse($"tcp:127.0.0.1:{qemu}"), Listen: true));
        await using var proxy = new UsbRedirProxy(lab.Policy, options, lab.Events.Enqueue);
        GuestVm vm = lab.StartVm(ReadAndWrite,
        [
            "-chardev", $"socket,id=a,host=127.0.0.1,port={PortOf(directPort)},reconnect=1", "-device", "usb-redir,chardev=a",
            "-chardev", $"socket,id=b,host=127.0.0.1,port={qemu},reconnect=1", "-device", "usb-redir,chardev=b",
        ]);

        string log = await vm.WaitForAsync("DONE");
        Dictionary<string, string> names = Disk().Matches(log).ToDictionary(match => match.Groups["serial"].Value, match => match.Groups["disk"].Value);

        Assert.Contains($"DISK {names["DIRECT"]} DIRECT {Md5(RandomDisk(1))}", log, StringComparison.Ordinal);
        Assert.Contains($"DISK {names["PROXIED"]} PROXIED {Md5(RandomDisk(2))}", log, StringComparison.Ordinal);
        Assert.Contains($"WROTE {names["PROXIED"]} {Md5(proxied[..(1024 * 1024)])}", log, StringComparison.Ordinal);

        await lab.AllowAsync();
        await vm.WaitForAsync("GONE");
        Assert.Equal(UsbEventKind.Ejected, (await lab.EventAsync(UsbEventKind.Ejected)).Kind);
    }

    private static byte[] RandomDisk(int seed)
    {
        byte[] disk = new byte[DiskSize];
        new Random(seed).NextBytes(disk);
        return disk;
    }

    private static Socket Offer(byte[] disk, string serial)
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        _ = ServeAsync();
        return listener;

        async Task ServeAsync()
        {
            try
            {
                while (true)
                {
                    using Socket socket = await listener.AcceptAsync();
                    await new ScriptedStick(disk, serial: serial).ServeAsync(socket);
                }
            }
            catch (Exception end) when (end is SocketException or ObjectDisposedException)
            {
                // The test is over.
            }
        }
    }

    private static int PortOf(Socket listener) => ((IPEndPoint)listener.LocalEndPoint!).Port;

    private static StreamEndpoint EndpointOf(Socket listener) => StreamEndpoint.Parse($"tcp:127.0.0.1:{PortOf(listener)}");

    private static string Md5(byte[] bytes) => Convert.ToHexStringLower(MD5.HashData(bytes));

    [GeneratedRegex(@"DISK (?<disk>\w) (?<serial>\w+) ", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Disk();
}
