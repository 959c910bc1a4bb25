using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Tests.Usb.Redir;
using VmCrypt.Core.Usb;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Redir;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Bench;

/// <summary>A scripted stick read by a scripted guest, directly and through the proxy; and how fast the proxy throws it out.</summary>
internal sealed class UsbProxyBench
{
    private const int Request = 64 * 1024;
    private const int Ahead = 8;
    private const int Ejections = 20;

    private static readonly RedirPackets s_packets = new();

    // What a memory stick of the fast kind delivers: USB 3.2 at 5 Gbit/s leaves about 400 MB/s.
    private const double StickRate = 400e6;

    public IEnumerable<Figure> Run()
    {
        using var folder = new BenchFolder();
        var store = new UsbWhitelistStore(new ConfigurationFolder(folder["config"]));
        store.ChangeAsync("vm01", _ => [UsbRuleText.Parse("048d:1169")], default).GetAwaiter().GetResult();
        UsbPolicy policy = UsbPolicy.OpenAsync(store, default).GetAwaiter().GetResult();
        yield return Throughput("Bulk data through the proxy, a stick of 400 MB/s", policy, folder, StickRate, 0.95);
        yield return Throughput("Bulk data through the proxy, memory to memory", policy, folder, double.PositiveInfinity, null);
        List<double> times = Ejected(policy, store, folder);
        yield return UsbBench.Latency("List change to device_disconnect, median", UsbBench.Percentile(times, 0.5), 20);
        yield return UsbBench.Latency("List change to device_disconnect, 99 %", UsbBench.Percentile(times, 0.99), 100);
        policy.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }

    private static Figure Throughput(string job, UsbPolicy policy, BenchFolder folder, double rate, double? goal)
    {
        const int Bytes = 512 * 1024 * 1024;
        using var stick = new FloodingStick(rate);
        using var proxied = new Route(policy, folder, stick.Port);
        using Socket direct = Connect(stick.Port);
        TimeSpan? Time(Socket socket)
        {
            long start = Stopwatch.GetTimestamp();
            Read(socket, Bytes);
            return Stopwatch.GetElapsedTime(start);
        }

        Greet(direct);
        Greet(proxied.Guest);
        return Race.Run(job, "MB/s", Bytes / 1e6, "the same connection without it", () => Time(proxied.Guest), () => Time(direct), goal);
    }

    // Counted from the change's being written until the guest has received the packet.
    private static List<double> Ejected(UsbPolicy policy, UsbWhitelistStore store, BenchFolder folder)
    {
        List<double> times = [];
        for (int round = 0; round < Ejections; round++)
        {
            store.ChangeAsync("vm01", _ => [UsbRuleText.Parse("048d:1169")], default).GetAwaiter().GetResult();
            while (!policy.For(new VmIdentity("vm01")).Judge(UsbDeviceDescription.Parse("048d:1169"), DateTimeOffset.UtcNow).Allowed)
            {
                Thread.Sleep(1);
            }

            using var stick = new FloodingStick(double.PositiveInfinity);
            using var route = new Route(policy, folder, stick.Port);
            Greet(route.Guest);
            long start = 0;
            _ = store.ChangeAsync(
                "vm01",
                _ =>
                {
                    start = Stopwatch.GetTimestamp();
                    return [];
                },
                default);
            byte[] packet = new byte[16];
            Receive(route.Guest, packet);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        return times;
    }

    private static Socket Connect(int port)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.Connect(IPAddress.Loopback, port);
        return socket;
    }

    // Says hello and waits for the device: hello, ep_info, interface_info, device_connect.
    private static void Greet(Socket socket)
    {
        socket.Send(RedirPackets.Hello());
        Receive(socket, new byte[RedirPackets.Hello().Length + s_packets.EndpointInfo().Length + s_packets.Interfaces().Length + s_packets.Connect(0, 0).Length]);
    }

    private static void Read(Socket socket, int bytes)
    {
        byte[] answer = new byte[16 + 10 + Request];
        int requests = bytes / Request;
        int asked = 0;
        for (int answered = 0; answered < requests; answered++)
        {
            while (asked < Math.Min(requests, answered + Ahead))
            {
                socket.Send(s_packets.Bulk((ulong)asked++, 0x81, Request));
            }

            Receive(socket, answer);
        }
    }

    private static void Receive(Socket socket, Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int count = socket.Receive(buffer);
            buffer = count > 0 ? buffer[count..] : throw new IOException("the connection was closed");
        }
    }

    /// <summary>The stick, the proxy, and a connection through it.</summary>
    private sealed class Route : IDisposable
    {
        private readonly UsbRedirProxy _proxy;

        public Route(UsbPolicy policy, BenchFolder folder, int stick)
        {
            string socket = folder[$"{Guid.NewGuid():N}.sock"];
            var options = new UsbRedirProxyOptions(
                new VmIdentity("vm01"), new(StreamEndpoint.Parse($"tcp:127.0.0.1:{stick}"), Listen: false), new(StreamEndpoint.Parse($"unix:{socket}"), Listen: true));
            _proxy = new UsbRedirProxy(policy, options, _ => { });
            Guest = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            Guest.Connect(new UnixDomainSocketEndPoint(socket));
        }

        public Socket Guest { get; }

        public void Dispose()
        {
            Guest.Dispose();
            _proxy.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    /// <summary>Answers every bulk request at once, or as fast as a stick could.</summary>
    private sealed class FloodingStick : IDisposable
    {
        private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        private readonly double _rate;

        public FloodingStick(double rate)
        {
            _rate = rate;
            _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _listener.Listen();
            new Thread(Accept) { IsBackground = true }.Start();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

        public void Dispose() => _listener.Dispose();

        private void Accept()
        {
            try
            {
                while (true)
                {
                    Socket socket = _listener.Accept();
                    new Thread(() => Serve(socket)) { IsBackground = true }.Start();
                }
            }
            catch (Exception end) when (end is SocketException or ObjectDisposedException)
            {
                // The measurement is over.
            }
        }

        private void Serve(Socket socket)
        {
            try
            {
                socket.NoDelay = true;
                byte[] data = new byte[Request];
                byte[] request = new byte[26];
                socket.Send(RedirPackets.Hello());
                Receive(socket, new byte[RedirPackets.Hello().Length]);
                socket.Send([.. s_packets.EndpointInfo(), .. s_packets.Interfaces(UsbClassCode.Parse("08:06:50")), .. s_packets.Connect(0x48d, 0x1169)]);
                byte[] answer = s_packets.Bulk(0, 0x81, Request, data: data);
                long due = Stopwatch.GetTimestamp();
                while (true)
                {
                    Receive(socket, request);
                    request.AsSpan(8, 8).CopyTo(answer.AsSpan(8));
                    // A request takes its time from when the last one was done, or from now if the guest has let the stick wait.
                    // A little early is forgiven, for sleep is coarse and spinning would take a processor from those that are measured.
                    due = Math.Max(due, Stopwatch.GetTimestamp()) + (long)(Request / _rate * Stopwatch.Frequency);
                    while (Stopwatch.GetTimestamp() < due - (Stopwatch.Frequency / 500))
                    {
                        Thread.Sleep(1);
                    }

                    socket.Send(answer);
                }
            }
            catch (Exception end) when (end is SocketException or IOException or ObjectDisposedException)
            {
                socket.Dispose();
            }
        }
    }
}
