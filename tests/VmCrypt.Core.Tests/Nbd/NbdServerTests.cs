using System.Diagnostics;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Nbd;

public sealed class NbdServerTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Many_clients_work_on_one_device_at_the_same_time()
    {
        const int share = 64 * 1024;
        var disk = new MemoryDevice(24 * share);
        await using TestServer server = await TestServer.StartAsync(disk);

        await Parallel.ForAsync(0, 24, Token, async (i, token) =>
        {
            await using NbdDevice client = await server.ConnectAsync(new NbdClientOptions { MaxConnections = 2 });
            byte[] mine = new byte[share];
            Array.Fill(mine, (byte)(i + 1));
            for (int at = 0; at < share; at += 4096)
            {
                await client.WriteAsync(((long)i * share) + at, mine.AsMemory(at, 4096), token);
            }

            byte[] read = new byte[share];
            await client.ReadAsync((long)i * share, read, token);
            Assert.Equal(mine, read);
        });

        Assert.Equal(Enumerable.Range(1, 24).SelectMany(i => Enumerable.Repeat((byte)i, share)), disk.ToArray());
    }

    [Fact]
    public async Task Each_export_has_its_device_and_each_address_its_URI()
    {
        using var scratch = new Scratch();
        var options = new NbdServerOptions { Listen = [new NbdAddress.Unix(scratch["s"]), new NbdAddress.Tcp("127.0.0.1", 0)] };
        await using NbdServer server = await NbdServer.StartAsync(
            options, [new NbdExport("a", new MemoryDevice(4096)), new NbdExport(string.Empty, new MemoryDevice(8192)) { Description = "b" }], Token);

        Assert.Equal(4, server.Uris.Count);
        foreach (NbdUri uri in server.Uris)
        {
            await using NbdDevice client = await NbdDevice.ConnectAsync(NbdUri.Parse(uri.ToString()), NbdClientOptions.Default, Token);
            Assert.Equal(uri.Export == "a" ? 4096 : 8192, client.Length);
            Assert.Equal([new NbdExportInfo("a", string.Empty), new NbdExportInfo(string.Empty, "b")], await NbdDevice.ListAsync(uri, Token));
        }
    }

    [Fact]
    public async Task Tells_who_is_connected_and_what_was_done()
    {
        await using TestServer server = await TestServer.StartAsync(new MemoryDevice(1 << 20));
        await using (NbdDevice client = await server.ConnectAsync(new NbdClientOptions { MaxConnections = 1 }))
        {
            await client.WriteAsync(0, new byte[5000], Token);
            await client.ReadAsync(0, new byte[100_000], Token);
            await client.ZeroAsync(0, 4096, ZeroFlags.None, Token);

            NbdClientInfo info = Assert.Single(server.Server.Clients);
            Assert.Equal("disk", info.Export);
            Assert.Equal(new NbdStatistics(3, 0, 100_000, 5000, 4096), info.Statistics);
        }

        await UntilAsync(() => server.Server.Clients.Count == 0);
        Assert.Equal(new NbdStatistics(3, 0, 100_000, 5000, 4096), server.Server.Statistics);
    }

    [Theory]
    [InlineData(ErrorIds.DiskFull, NbdError.NoSpace)]
    [InlineData(ErrorIds.DeviceReadOnly, NbdError.NotPermitted)]
    [InlineData(ErrorIds.OutOfRange, NbdError.Invalid)]
    [InlineData(ErrorIds.DeviceIO, NbdError.InputOutput)]
    [InlineData(ErrorIds.NbdConnectionLost, NbdError.InputOutput)]
    internal async Task A_devices_error_reaches_its_client_and_the_owner(string errorId, NbdError expected)
    {
        var heard = new List<Exception>();
        var fault = new DeviceFaultException(errorId, "The disk at /secret/path is broken.");
        await using TestServer server = await TestServer.StartAsync(
            new GateDevice(new MemoryDevice(4096), (call, _) => call == GateDevice.Call.Write ? throw fault : ValueTask.CompletedTask),
            options => options with { OnFault = (_, exception) => heard.Add(exception) });
        using RawClient client = RawClient.Open(server.Server);

        client.Send(Wire.Request(NbdCommand.Write, 0, 1, cookie: 7), [1]);
        Assert.Equal(expected, client.ReadError(7));
        client.Send(Wire.Request(NbdCommand.Read, 0, 1, cookie: 8));
        Assert.Equal(NbdError.None, client.ReadError(8));

        Assert.Same(fault, Assert.Single(heard));
        Assert.Equal(1, server.Server.Statistics.Errors);
    }

    [Fact]
    public async Task A_structured_error_names_the_id_but_no_path()
    {
        await using TestServer server = await TestServer.StartAsync(new GateDevice(
            new MemoryDevice(4096, writable: false), (_, _) => throw new DeviceFaultException(ErrorIds.DeviceIO, "The disk at /secret/path is broken.")));
        using RawClient client = RawClient.Connect(server.Server);
        client.Send(Wire.U32(3), Wire.Option(NbdOption.StructuredReply), Wire.Go("disk"));
        client.Read(20 + 32 + 20);

        client.Send(Wire.Request(NbdCommand.Read, 0, 512, cookie: 7));

        byte[] expected = Wire.ErrorChunk(7, NbdError.InputOutput, ErrorIds.DeviceIO, done: true);
        Assert.Equal(expected, client.Read(expected.Length));
    }

    [Fact]
    public async Task FUA_is_a_flush_before_the_answer()
    {
        await using var disk = new RecordingDevice(new MemoryDevice(4096));
        await using TestServer server = await TestServer.StartAsync(disk);
        using RawClient client = RawClient.Open(server.Server);

        client.Send(Wire.Request(NbdCommand.Write, 0, 1), [1]);
        client.ReadError(1);
        client.Send(Wire.Request(NbdCommand.Write, 1, 1, flags: NbdCommandFlags.ForceUnitAccess), [2]);
        client.ReadError(1);
        client.Send(Wire.Request(NbdCommand.WriteZeroes, 2, 1, flags: NbdCommandFlags.ForceUnitAccess | NbdCommandFlags.NoHole));
        client.ReadError(1);

        Assert.Equal(
            ["write 1 bytes at 0", "write 1 bytes at 1", "flush", "zero 1 bytes at 2 (KeepAllocated)", "flush"],
            disk.Effects.Select(effect => effect.ToString()));
    }

    [Fact]
    public async Task Requests_that_wait_for_the_device_wait_side_by_side()
    {
        var gate = new TaskCompletionSource();
        var disk = new GateDevice(new MemoryDevice(1 << 20), async (_, _) => await gate.Task);
        await using TestServer server = await TestServer.StartAsync(disk);
        await using NbdDevice client = await server.ConnectAsync(new NbdClientOptions { MaxConnections = 1 });

        Task[] reads = [.. Enumerable.Range(0, 16).Select(i => client.ReadAsync(i * 4096, new byte[4096], Token).AsTask())];
        await UntilAsync(() => disk.MostRunning == 16);
        gate.SetResult();

        await Task.WhenAll(reads);
    }

    [Fact]
    public async Task Requests_that_block_their_thread_come_to_run_side_by_side()
    {
        var disk = new GateDevice(new MemoryDevice(1 << 20), (_, token) =>
        {
            token.WaitHandle.WaitOne(2);
            return ValueTask.CompletedTask;
        });
        await using TestServer server = await TestServer.StartAsync(disk);
        await using NbdDevice client = await server.ConnectAsync(new NbdClientOptions { MaxConnections = 1 });

        for (int round = 0; round < 20 && disk.MostRunning < 8; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 32).Select(i => client.ReadAsync(i * 4096, new byte[4096], Token).AsTask()));
        }

        Assert.InRange(disk.MostRunning, 8, 16);
    }

    [Fact]
    public async Task A_client_that_vanishes_within_a_write_changes_nothing()
    {
        var disk = new MemoryDevice(1 << 20);
        await using TestServer server = await TestServer.StartAsync(disk);
        using (RawClient client = RawClient.Open(server.Server))
        {
            client.Send(Wire.Request(NbdCommand.Write, 0, 512 * 1024), Enumerable.Repeat((byte)1, 100_000).ToArray());
        }

        await UntilAsync(() => server.Server.Clients.Count == 0);
        Assert.Equal(new byte[1 << 20], disk.ToArray());
    }

    [Fact]
    public async Task Clients_that_come_and_go_leave_nothing_behind()
    {
        await using TestServer server = await TestServer.StartAsync(new MemoryDevice(4096));
        int threads = Process.GetCurrentProcess().Threads.Count;
        for (int i = 0; i < 1000; i++)
        {
            using RawClient client = i % 3 == 0 ? RawClient.Connect(server.Server) : RawClient.Open(server.Server);
            if (i % 3 == 1)
            {
                client.Send(Wire.Request(NbdCommand.Read, 0, 512));
                Assert.Equal(NbdError.None, client.ReadError(1));
            }
        }

        await UntilAsync(() => server.Server.Clients.Count == 0);
        // Other tests run meanwhile: only a thread per client would stand out.
        await UntilAsync(() => Process.GetCurrentProcess().Threads.Count < threads + 200);
        Assert.Equal(333, server.Server.Statistics.Requests);
    }

    /// <summary>Waits for something that another thread is about to do.</summary>
    internal static async Task UntilAsync(Func<bool> condition)
    {
        for (var watch = Stopwatch.StartNew(); !condition(); await Task.Delay(5, Token))
        {
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(60), "it did not happen in a minute");
        }
    }
}
