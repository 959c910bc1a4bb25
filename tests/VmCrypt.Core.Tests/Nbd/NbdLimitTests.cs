using System.Net;
using System.Net.Sockets;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Nbd;

/// <summary>Clients that take more than their share; those who work must not notice.</summary>
public sealed class NbdLimitTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_thousand_clients_that_say_nothing_take_no_place_and_stop_nobody(bool tls)
    {
        using var scratch = new Scratch();
        using var authority = new TestAuthority(scratch.Folder);
        await using TestServer server = await TestServer.StartAsync(new MemoryDevice(65536), options => options with
        {
            MaxConnections = 2,
            MaxHandshakes = 8,
            HandshakeTimeout = TimeSpan.FromDays(1),
            Tls = tls ? NbdTlsMode.Require : NbdTlsMode.Off,
            Credentials = tls ? TlsServerCredentials.FromFolder(authority.Server(), verifyPeer: false) : null,
        });
        NbdUri uri = server.Uri with { Tls = tls ? new NbdTls { VerifyPeer = false } : null };
        var one = new NbdClientOptions { MaxConnections = 1 };
        await using NbdDevice working = await NbdDevice.ConnectAsync(uri, one, Token);

        var silent = new Queue<Socket>();
        for (int i = 0; i < 1000; i++)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(((NbdAddress.Unix)server.Uri.Address).Path));
            silent.Enqueue(socket);
            if (tls && i % 2 == 0)
            {
                // Half of a TLS handshake is no better than half of ours.
                socket.Send([.. Wire.U32(3), .. Wire.Option(NbdOption.StartTls), 0x16]);
            }

            // The server has dropped them long since; so many open files would alarm other tests.
            if (silent.Count > 100)
            {
                silent.Dequeue().Dispose();
            }

            if (i % 50 == 0)
            {
                await working.ReadAsync(0, new byte[4096], Token);
            }
        }

        await using NbdDevice late = await NbdDevice.ConnectAsync(uri, one, Token);
        await late.ReadAsync(0, new byte[4096], Token);
        await NbdServerTests.UntilAsync(() => server.Server.Clients.Count <= 8 + 2);
        Array.ForEach([.. silent], socket => socket.Dispose());
        await NbdServerTests.UntilAsync(() => server.Server.Clients.Count == 2);
        Assert.Equal(0, server.Server.Statistics.Errors);
    }

    [Fact]
    public async Task The_address_with_most_handshakes_loses_the_oldest()
    {
        await using NbdServer server = await TcpAsync(options => options with { MaxHandshakes = 3, HandshakeTimeout = TimeSpan.FromDays(1) });
        using Socket patient = Connect(server, "127.0.0.2");
        using Socket first = Connect(server, "127.0.0.3");
        using Socket second = Connect(server, "127.0.0.3");
        using Socket third = Connect(server, "127.0.0.3");

        Assert.True(IsHungUp(first));
        await NbdServerTests.UntilAsync(() => server.Clients.Count == 3);
        Assert.Equal(["127.0.0.2", "127.0.0.3", "127.0.0.3"], server.Clients.Select(client => client.Peer.Split(':')[0]));
    }

    [Fact]
    public async Task One_address_has_so_many_places_and_no_more()
    {
        await using NbdServer server = await TcpAsync(options => options with { MaxConnectionsPerAddress = 1 });
        using Socket first = Choose(Connect(server, "127.0.0.2"));
        using Socket other = Choose(Connect(server, "127.0.0.3"));

        using var refused = new Socket(SocketType.Stream, ProtocolType.Tcp);
        refused.Bind(new IPEndPoint(IPAddress.Parse("127.0.0.2"), 0));
        refused.Connect(IPAddress.Loopback, ((NbdAddress.Tcp)server.Uri.Address).Port);

        Assert.True(IsHungUp(refused));
        Assert.Equal(2, server.Clients.Count);
    }

    [Fact]
    public async Task Clients_that_hold_memory_and_move_nothing_go_when_others_wait_for_it()
    {
        const int large = 32 << 20;
        var faults = new List<Exception>();
        await using TestServer server = await TestServer.StartAsync(new MemoryDevice(64 << 20), options => options with
        {
            MemoryLimit = 2L * large,
            StallTimeout = TimeSpan.FromMilliseconds(50),
            OnFault = (_, fault) =>
            {
                lock (faults)
                {
                    faults.Add(fault);
                }
            },
        });
        using RawClient idle = RawClient.Open(server.Server);
        using RawClient half = RawClient.Open(server.Server);
        using RawClient nothing = RawClient.Open(server.Server);
        half.Send(Wire.Request(NbdCommand.Write, 0, large), new byte[1000]);
        nothing.Send(Wire.Request(NbdCommand.Write, 0, large));
        await NbdServerTests.UntilAsync(() => server.Server.Memory == 2L * large);

        await using NbdDevice working = await server.ConnectAsync(new NbdClientOptions { MaxConnections = 1 });
        await working.ReadAsync(0, new byte[1 << 20], Token);

        Assert.NotEmpty(faults);
        Assert.All(faults, fault => Assert.Equal(ErrorIds.NbdClientStalled, Assert.IsType<ProtocolException>(fault).ErrorId));
        idle.Send(Wire.Request(NbdCommand.Flush, 0, 0));
        Assert.Equal(NbdMagic.SimpleReply, System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(idle.Read(NbdSimpleReply.Size)));
        await NbdServerTests.UntilAsync(() => server.Server.Memory <= large);
    }

    [Fact]
    public async Task A_client_that_trickles_bytes_into_the_memory_that_it_holds_goes_like_one_that_moves_nothing()
    {
        const int large = 32 << 20;
        await using TestServer server = await TestServer.StartAsync(new MemoryDevice(64 << 20), options => options with
        {
            MemoryLimit = 2L * large,
            StallTimeout = TimeSpan.FromMilliseconds(200),
        });
        using RawClient one = RawClient.Open(server.Server);
        using RawClient other = RawClient.Open(server.Server);
        one.Send(Wire.Request(NbdCommand.Write, 0, large));
        other.Send(Wire.Request(NbdCommand.Write, 0, large));
        await NbdServerTests.UntilAsync(() => server.Server.Memory == 2L * large);

        await using NbdDevice working = await server.ConnectAsync(new NbdClientOptions { MaxConnections = 1 });
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(TimeSpan.FromMinutes(1));
        Task reading = working.ReadAsync(0, new byte[1 << 20], limit.Token).AsTask();
        while (!reading.IsCompleted)
        {
            Array.ForEach([one, other], client => client.TrySend(1));
            await Task.WhenAny(reading, Task.Delay(TimeSpan.FromMilliseconds(20), Token));
        }

        await reading;
    }

    [Fact]
    public async Task Many_clients_share_a_small_budget_and_all_get_done()
    {
        var disk = new MemoryDevice(64 << 20);
        await using TestServer server = await TestServer.StartAsync(disk, options => options with { MemoryLimit = 64 << 20 });

        await Parallel.ForAsync(0, 8, Token, async (i, token) =>
        {
            await using NbdDevice client = await server.ConnectAsync(new NbdClientOptions { MaxConnections = 2 });
            byte[] mine = new byte[8 << 20];
            Array.Fill(mine, (byte)(i + 1));
            for (int round = 0; round < 3; round++)
            {
                await client.WriteAsync(i * (8L << 20), mine, token);
                byte[] read = new byte[mine.Length];
                await client.ReadAsync(i * (8L << 20), read, token);
                Assert.Equal(mine, read);
            }
        });

        Assert.Equal(0, server.Server.Statistics.Errors);
    }

    [Theory]
    [InlineData(0, null, 1, 64 << 20)]
    [InlineData(1, 0, 1, 64 << 20)]
    [InlineData(1, 1, 0, 64 << 20)]
    [InlineData(1, 1, 1, (64 << 20) - 1)]
    public async Task Limits_that_stop_everybody_are_refused(int connections, int? perAddress, int handshakes, long memory)
    {
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => TcpAsync(options => options with
        {
            MaxConnections = connections,
            MaxConnectionsPerAddress = perAddress,
            MaxHandshakes = handshakes,
            MemoryLimit = memory,
        }));
        Assert.Equal(ErrorIds.InvalidParameter, error.ErrorId);
    }

    private static Task<NbdServer> TcpAsync(Func<NbdServerOptions, NbdServerOptions> change) => NbdServer.StartAsync(
        change(new NbdServerOptions { Listen = [new NbdAddress.Tcp("127.0.0.1", 0)] }), [new NbdExport("disk", new MemoryDevice(4096))], Token);

    /// <summary>Connects from an address of the loopback network, and reads the greeting.</summary>
    private static Socket Connect(NbdServer server, string from)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "only Linux has all of 127.0.0.0/8");
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 20_000 };
        socket.Bind(new IPEndPoint(IPAddress.Parse(from), 0));
        socket.Connect(IPAddress.Loopback, ((NbdAddress.Tcp)server.Uri.Address).Port);
        byte[] greeting = new byte[18];
        Assert.Equal(18, socket.Receive(greeting));
        return socket;
    }

    private static bool IsHungUp(Socket socket)
    {
        try
        {
            return socket.Receive(new byte[1]) == 0;
        }
        catch (SocketException reset)
        {
            return reset.SocketErrorCode == SocketError.ConnectionReset;
        }
    }

    private static Socket Choose(Socket socket)
    {
        socket.Send([.. Wire.U32(3), .. Wire.Go("disk")]);
        byte[] answer = new byte[1024];
        Assert.True(socket.Receive(answer) > 0);
        return socket;
    }
}
