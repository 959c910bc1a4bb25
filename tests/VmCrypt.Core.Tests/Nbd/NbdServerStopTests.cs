using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Nbd;

public sealed class NbdServerStopTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Running_requests_finish_new_ones_hear_of_the_shutdown_and_the_device_is_flushed()
    {
        var gate = new TaskCompletionSource();
        var slow = new GateDevice(new MemoryDevice(4096), async (call, token) =>
            await (call == GateDevice.Call.Write ? gate.Task.WaitAsync(token) : Task.CompletedTask));
        await using var disk = new RecordingDevice(slow);
        await using TestServer server = await TestServer.StartAsync(disk);
        using RawClient client = RawClient.Open(server.Server);
        client.Send(Wire.Request(NbdCommand.Write, 0, 1, cookie: 1), [1]);
        await NbdServerTests.UntilAsync(() => slow.MostRunning == 1);

        Task stopping = server.Server.StopAsync(Token);
        await NbdServerTests.UntilAsync(() => ErrorOfRead(client) == NbdError.Shutdown);
        Assert.False(stopping.IsCompleted);
        gate.SetResult();
        Assert.Equal(NbdError.None, client.ReadError(1));
        await stopping;

        Assert.True(client.IsHungUp());
        Assert.Equal(["write 1 bytes at 0", "flush"], disk.Effects.Select(effect => effect.ToString()));
        Assert.True(server.Server.Completion.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task Requests_that_do_not_end_are_cancelled_after_the_timeout()
    {
        var disk = new GateDevice(new MemoryDevice(4096), async (call, token) =>
            await Task.Delay(call == GateDevice.Call.Read ? Timeout.Infinite : 0, token));
        await using TestServer server = await TestServer.StartAsync(disk, options => options with { StopTimeout = TimeSpan.FromMilliseconds(100) });
        using RawClient client = RawClient.Open(server.Server);
        client.Send(Wire.Request(NbdCommand.Read, 0, 1));
        await NbdServerTests.UntilAsync(() => disk.MostRunning == 1);

        await server.Server.StopAsync(Token).WaitAsync(TimeSpan.FromSeconds(60), Token);

        Assert.Empty(server.Server.Clients);
    }

    [Fact]
    public async Task The_callers_token_ends_the_wait_but_not_the_flush()
    {
        await using var disk = new RecordingDevice(new GateDevice(new MemoryDevice(4096), async (call, token) =>
            await Task.Delay(call == GateDevice.Call.Read ? Timeout.Infinite : 0, token)));
        await using TestServer server = await TestServer.StartAsync(disk, options => options with { StopTimeout = TimeSpan.FromHours(1) });
        using RawClient client = RawClient.Open(server.Server);
        client.Send(Wire.Request(NbdCommand.Read, 0, 1));
        using var hurry = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));

        await server.Server.StopAsync(hurry.Token).WaitAsync(TimeSpan.FromSeconds(60), Token);

        Assert.Equal(["flush"], disk.Effects.Select(effect => effect.ToString()));
    }

    [Fact]
    public async Task A_client_that_reads_no_answers_holds_up_neither_others_nor_the_stop()
    {
        await using TestServer server = await TestServer.StartAsync(
            new MemoryDevice(8 << 20), options => options with { StopTimeout = TimeSpan.FromMilliseconds(300) });
        using RawClient greedy = RawClient.Open(server.Server);
        for (int i = 0; i < 64; i++)
        {
            greedy.Send(Wire.Request(NbdCommand.Read, 0, 8 << 20));
        }

        await using NbdDevice other = await server.ConnectAsync();
        byte[] read = new byte[1 << 20];
        for (int i = 0; i < 20; i++)
        {
            await other.WriteAsync(0, read, Token);
            await other.ReadAsync(0, read, Token);
        }

        await server.Server.StopAsync(Token).WaitAsync(TimeSpan.FromSeconds(60), Token);
        Assert.Empty(server.Server.Clients);
    }

    [Fact]
    public async Task A_flush_that_fails_costs_the_other_exports_nothing()
    {
        var bad = new GateDevice(new MemoryDevice(4096), (call, _) => call == GateDevice.Call.Flush
            ? throw new DeviceFaultException(ErrorIds.DeviceIO, "The cable is out.")
            : ValueTask.CompletedTask);
        int flushes = 0;
        var good = new GateDevice(new MemoryDevice(4096), (call, _) =>
        {
            flushes += call == GateDevice.Call.Flush ? 1 : 0;
            return ValueTask.CompletedTask;
        });
        using var scratch = new Scratch();
        NbdServer server = await NbdServer.StartAsync(
            new NbdServerOptions { Listen = [new NbdAddress.Unix(scratch["s"])], OwnsDevices = true },
            [new NbdExport("bad", bad), new NbdExport("good", good)], Token);

        await Assert.ThrowsAsync<DeviceFaultException>(() => server.StopAsync(Token));

        Assert.Equal(1, flushes);
        Assert.True(good.IsDisposed);
    }

    [Fact]
    public async Task A_flush_that_fails_is_not_kept_quiet()
    {
        var disk = new GateDevice(new MemoryDevice(4096), (call, _) => call == GateDevice.Call.Flush
            ? throw new DeviceFaultException(ErrorIds.DeviceIO, "The cable is out.")
            : ValueTask.CompletedTask);
        using var scratch = new Scratch();
        NbdServer server = await NbdServer.StartAsync(
            new NbdServerOptions { Listen = [new NbdAddress.Unix(scratch["s"])], OwnsDevices = true }, [new NbdExport("disk", disk)], Token);

        var error = await Assert.ThrowsAsync<DeviceFaultException>(() => server.StopAsync(Token));

        Assert.Equal(ErrorIds.DeviceIO, error.ErrorId);
        Assert.True(server.Completion.IsFaulted);
        Assert.True(disk.IsDisposed);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Devices_are_disposed_only_when_owned(bool owned)
    {
        var disk = new GateDevice(new MemoryDevice(4096), (_, _) => ValueTask.CompletedTask);
        await using TestServer server = await TestServer.StartAsync(disk, options => options with { OwnsDevices = owned });

        await server.Server.StopAsync(Token);
        await server.Server.StopAsync(Token);

        Assert.Equal(owned, disk.IsDisposed);
    }

    private static NbdError ErrorOfRead(RawClient client)
    {
        client.Send(Wire.Request(NbdCommand.Read, 0, 1, cookie: 2));
        NbdError error = client.ReadError(2);
        if (error == NbdError.None)
        {
            client.Read(1);
        }

        return error;
    }
}
