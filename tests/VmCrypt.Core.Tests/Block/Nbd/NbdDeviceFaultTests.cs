using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Nbd;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Block.Nbd;

public sealed class NbdDeviceFaultTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_lost_connection_fails_what_is_under_way_and_all_that_comes()
    {
        await using var server = FakeServer.WithDisk(NbdTransmissionFlags.SendFlush, async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.ReadRequestAsync();
        });
        await using NbdDevice device = await ConnectAsync(server);

        Task first = device.ReadAsync(0, new byte[512], Token).AsTask();
        Task second = device.WriteAsync(0, new byte[512], Token).AsTask();

        await FailsAsync(ErrorIds.NbdConnectionLost, first);
        await FailsAsync(ErrorIds.NbdConnectionLost, second);
        await FailsAsync(ErrorIds.NbdConnectionLost, device.ReadAsync(0, new byte[512], Token).AsTask());
        await FailsAsync(ErrorIds.NbdConnectionLost, device.FlushAsync(Token).AsTask());
    }

    [Fact]
    public async Task Uses_as_many_connections_as_allowed()
    {
        await using TestServer server = await TestServer.StartAsync(new MemoryDevice(1 << 20));
        await using NbdDevice device = await server.ConnectAsync(new NbdClientOptions { MaxConnections = 3 });

        await Task.WhenAll(Enumerable.Range(0, 64).Select(i => device.ReadAsync(i * 4096, new byte[4096], Token).AsTask()));

        Assert.Equal(3, server.Server.Clients.Count);
        Assert.All(server.Server.Clients, client => Assert.InRange(client.Statistics.Requests, 1, 62));
    }

    [Fact]
    public async Task One_lost_connection_of_several_fails_the_device()
    {
        int connections = 0;
        await using var server = FakeServer.WithDisk(NbdTransmissionFlags.CanMultiConn, async peer =>
        {
            bool dies = Interlocked.Increment(ref connections) == 3;
            while (true)
            {
                NbdRequest request = await peer.ReadRequestAsync();
                if (dies)
                {
                    return;
                }

                await peer.SendAsync(Wire.SimpleReply(request.Cookie, NbdError.None, new byte[512]));
            }
        });
        await using NbdDevice device = await ConnectAsync(server);

        Task[] first = [.. Enumerable.Range(0, 4).Select(_ => device.ReadAsync(0, new byte[512], Token).AsTask())];
        await FailsAsync(ErrorIds.NbdConnectionLost, Task.WhenAll(first));

        Assert.Contains(first, read => read.IsCompletedSuccessfully);
        for (int i = 0; i < 8; i++)
        {
            await FailsAsync(ErrorIds.NbdConnectionLost, device.ReadAsync(0, new byte[512], Token).AsTask());
        }
    }

    [Fact]
    public async Task A_breach_of_the_protocol_keeps_its_name()
    {
        await using var server = FakeServer.WithDisk(NbdTransmissionFlags.None, async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync(Wire.SimpleReply(4711));
            await peer.IgnoreAsync();
        });
        await using NbdDevice device = await ConnectAsync(server);

        await FailsAsync(ErrorIds.NbdCookieUnknown, device.ReadAsync(0, new byte[512], Token).AsTask());
        await FailsAsync(ErrorIds.NbdCookieUnknown, device.ReadAsync(0, new byte[512], Token).AsTask());
    }

    [Fact]
    public async Task A_cancelled_read_returns_at_once_and_its_late_answer_touches_nothing()
    {
        var cancelled = new TaskCompletionSource();
        await using var server = FakeServer.WithDisk(NbdTransmissionFlags.None, async peer =>
        {
            NbdRequest late = await peer.ReadRequestAsync();
            await cancelled.Task;
            await peer.SendAsync(Wire.SimpleReply(late.Cookie, NbdError.None, Enumerable.Repeat((byte)1, 512).ToArray()));
            NbdRequest next = await peer.ReadRequestAsync();
            await peer.SendAsync(Wire.SimpleReply(next.Cookie, NbdError.None, Enumerable.Repeat((byte)2, 512).ToArray()));
            await peer.IgnoreAsync();
        });
        await using NbdDevice device = await ConnectAsync(server);
        using var source = new CancellationTokenSource();
        byte[] first = new byte[512];
        byte[] second = new byte[512];

        Task read = device.ReadAsync(0, first, source.Token).AsTask();
        await Task.Delay(50, Token);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read);
        cancelled.SetResult();
        await device.ReadAsync(0, second, Token);

        Assert.Equal(new byte[512], first);
        Assert.All(second, value => Assert.Equal(2, value));
    }

    [Fact]
    public async Task A_cancelled_write_that_the_server_does_not_take_ends_the_connection()
    {
        await using var server = FakeServer.WithDisk(NbdTransmissionFlags.None, peer => peer.Stopping);
        await using NbdDevice device = await ConnectAsync(server);
        using var source = new CancellationTokenSource();

        // More than any socket's buffers hold, so that one is stuck half sent.
        Task[] writes = [.. Enumerable.Range(0, 32).Select(_ => device.WriteAsync(0, new byte[1 << 20], source.Token).AsTask())];
        source.CancelAfter(TimeSpan.FromSeconds(1));
        await Task.WhenAll(writes).WaitAsync(TimeSpan.FromSeconds(60), Token).ContinueWith(_ => { }, TaskScheduler.Default);

        Assert.All(writes, write => Assert.True(write.IsCanceled || write.IsFaulted));
        await FailsAsync(ErrorIds.NbdConnectionLost, device.ReadAsync(0, new byte[512], Token).AsTask());
    }

    [Fact]
    public async Task A_server_that_says_nothing_is_given_up()
    {
        await using var server = new FakeServer(peer => peer.IgnoreAsync());

        await FailsAsync(ErrorIds.NbdConnectFailed,
            NbdDevice.ConnectAsync(server.Uri, new NbdClientOptions { ConnectTimeout = TimeSpan.FromMilliseconds(100) }, Token));
    }

    [Fact]
    public async Task Cancelling_the_connect_is_no_fault_of_the_server()
    {
        await using var server = new FakeServer(peer => peer.IgnoreAsync());
        using var source = new CancellationTokenSource(100);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => NbdDevice.ConnectAsync(server.Uri, NbdClientOptions.Default, source.Token));
    }

    [Fact]
    public async Task Refuses_a_path_that_no_socket_can_have()
    {
        var address = new NbdAddress.Unix("/" + new string('s', 120));

        InvalidInputException refusal = await Assert.ThrowsAsync<InvalidInputException>(
            () => NbdDevice.ConnectAsync(new NbdUri(address, string.Empty), NbdClientOptions.Default, Token));

        Assert.Equal(ErrorIds.InvalidParameter, refusal.ErrorId);
    }

    [Fact]
    public async Task Says_who_is_not_there()
    {
        await FailsAsync(ErrorIds.NbdConnectFailed, NbdDevice.ConnectAsync(NbdUri.Parse("nbd+unix:///?socket=/nowhere/s"), NbdClientOptions.Default, Token));
        await FailsAsync(ErrorIds.NbdConnectFailed, NbdDevice.ConnectAsync(NbdUri.Parse("nbd://127.0.0.1:1"), NbdClientOptions.Default, Token));
        await FailsAsync(ErrorIds.NbdConnectFailed, NbdDevice.ListAsync(NbdUri.Parse("nbd://127.0.0.1:1"), Token));
        await using TestServer server = await TestServer.StartAsync(new MemoryDevice(4096));
        await FailsAsync(ErrorIds.NbdExportNotFound, NbdDevice.ConnectAsync(new NbdUri(server.Uri.Address, "other"), NbdClientOptions.Default, Token));
        await using var web = new FakeServer(peer => peer.SendAsync([.. "SSH-2.0-OpenSSH_9.2p1\r\n"u8]));
        await FailsAsync(ErrorIds.NbdGreetingInvalid, NbdDevice.ConnectAsync(web.Uri, NbdClientOptions.Default, Token));
    }

    [Fact]
    public async Task A_plain_server_gets_zeros_as_data_and_neither_trims_nor_flushes()
    {
        var requests = new List<NbdRequest>();
        await using var server = FakeServer.WithDisk(NbdTransmissionFlags.None, async peer =>
        {
            while (true)
            {
                NbdRequest request = await peer.ReadRequestAsync();
                requests.Add(request);
                Assert.Equal(new byte[request.Length], await peer.ReadAsync((int)request.Length));
                await peer.SendAsync(Wire.SimpleReply(request.Cookie));
            }
        });
        await using NbdDevice device = await ConnectAsync(server);

        await device.TrimAsync(0, 4096, Token);
        await device.FlushAsync(Token);
        await device.ZeroAsync(4096, 8192, ZeroFlags.KeepAllocated, Token);
        await FailsAsync(ErrorIds.ZeroNotFast, device.ZeroAsync(0, 4096, ZeroFlags.OnlyIfFast, Token).AsTask());

        Assert.Equal(new NbdRequest(NbdCommand.Write, NbdCommandFlags.None, 1, 4096, 8192), Assert.Single(requests));
        Assert.Equal(new Extent(512, 1024, ExtentKind.Data), await device.ExtentsAsync(512, 1024, Token).FirstAsync(Token));
    }

    [Fact]
    public async Task Devices_that_come_and_go_leave_nothing_behind()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "open files are counted in /proc");
        await using TestServer server = await TestServer.StartAsync(new MemoryDevice(1 << 20));
        for (int i = 0; i < 100; i++)
        {
            await using NbdDevice device = await server.ConnectAsync();
            await device.ReadAsync(0, new byte[512], Token);
        }

        await NbdServerTests.UntilAsync(() => server.Server.Clients.Count == 0);
        // 400 connections have two ends each; what other tests have open meanwhile is far less.
        Assert.InRange(Directory.EnumerateFileSystemEntries("/proc/self/fd").Count(), 1, 400);
    }

    [Fact]
    public async Task Says_good_bye()
    {
        var last = new TaskCompletionSource<NbdRequest>();
        await using var server = FakeServer.WithDisk(NbdTransmissionFlags.None, async peer => last.SetResult(await peer.ReadRequestAsync()));

        await (await ConnectAsync(server)).DisposeAsync();

        Assert.Equal(new NbdRequest(NbdCommand.Disconnect, NbdCommandFlags.None, 0, 0, 0), await last.Task);
    }

    private static Task<NbdDevice> ConnectAsync(FakeServer server) => NbdDevice.ConnectAsync(server.Uri, NbdClientOptions.Default, Token);

    private static async Task FailsAsync(string errorId, Task task)
    {
        var error = await Assert.ThrowsAnyAsync<VmCryptException>(() => task.WaitAsync(TimeSpan.FromSeconds(20), Token));
        Assert.Equal(errorId, error.ErrorId);
    }
}
