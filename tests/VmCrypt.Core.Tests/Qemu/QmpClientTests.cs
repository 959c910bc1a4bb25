using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Core.Tests.Qemu;

public sealed class QmpClientTests : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_short = TimeSpan.FromSeconds(1);

    private readonly string _folder = Directory.CreateTempSubdirectory("vmcrypt-qmp-").FullName;
    private readonly FakeQemu _qemu;

    public QmpClientTests() => _qemu = new FakeQemu(Path.Combine(_folder, "vm01.qmp"));

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private StreamEndpoint Endpoint => StreamEndpoint.Parse($"unix:{_qemu.Path}");

    public async ValueTask DisposeAsync()
    {
        await _qemu.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Many_callers_get_their_own_answers()
    {
        await using QmpClient client = await QmpClient.ConnectAsync(Endpoint, s_patience, Token);

        string[] names = await Task.WhenAll(Enumerable.Range(0, 100).Select(async number =>
        {
            _qemu.Plug($"stick{number}", "usb-storage", ("serial", $"S{number}"));
            return (await client.ExecuteAsync("qom-get", new JsonObject { ["path"] = $"/machine/peripheral/stick{number}", ["property"] = "serial" }, Token)).GetString()!;
        }));

        Assert.Equal(new Version(7, 2, 22), client.QemuVersion);
        Assert.Equal(Enumerable.Range(0, 100).Select(number => $"S{number}"), names);
    }

    [Fact]
    public async Task Events_arrive_beside_answers()
    {
        _qemu.Plug("stick", "usb-storage");
        await using QmpClient client = await QmpClient.ConnectAsync(Endpoint, s_patience, Token);

        await client.ExecuteAsync("device_del", new JsonObject { ["id"] = "stick" }, Token);

        QemuEvent happening = await client.Events.ReadAsync(Token);
        Assert.Equal("DEVICE_DELETED", happening.Name);
        Assert.Equal("stick", happening.Data.GetProperty("device").GetString());
    }

    [Fact]
    public async Task QEMUs_refusals_are_told_apart()
    {
        await using QmpClient client = await QmpClient.ConnectAsync(Endpoint, s_patience, Token);

        var missing = await Assert.ThrowsAsync<MissingException>(() => client.ExecuteAsync("device_del", new JsonObject { ["id"] = "nothing" }, Token));
        var refused = await Assert.ThrowsAsync<RefusedException>(() => client.ExecuteAsync("make-coffee", null, Token));

        Assert.Equal(ErrorIds.MonitorRefused, missing.ErrorId);
        Assert.Equal(ErrorIds.MonitorRefused, refused.ErrorId);
    }

    [Fact]
    public async Task A_monitor_that_hangs_is_given_up()
    {
        await using QmpClient client = await QmpClient.ConnectAsync(Endpoint, s_short, Token);
        _qemu.Hangs = true;

        var error = await Assert.ThrowsAsync<DeviceFaultException>(() => client.ExecuteAsync("query-name", null, Token));

        Assert.Equal(ErrorIds.MonitorTimeout, error.ErrorId);
    }

    [Fact]
    public async Task A_monitor_that_hangs_from_the_start_is_given_up()
    {
        _qemu.Hangs = true;

        var error = await Assert.ThrowsAsync<DeviceFaultException>(() => QmpClient.ConnectAsync(Endpoint, s_short, Token));

        Assert.Equal(ErrorIds.MonitorTimeout, error.ErrorId);
    }

    [Fact]
    public async Task A_lost_connection_ends_everything()
    {
        await using QmpClient client = await QmpClient.ConnectAsync(Endpoint, s_patience, Token);
        _qemu.Hangs = true;
        Task waiting = client.ExecuteAsync("query-name", null, Token);
        while (_qemu.Commands.Count < 2)
        {
            await Task.Delay(5, Token);
        }

        _qemu.Drop();

        Assert.Equal(ErrorIds.MonitorLost, (await Assert.ThrowsAsync<DeviceFaultException>(() => waiting)).ErrorId);
        Assert.Equal(ErrorIds.MonitorLost, (await Assert.ThrowsAsync<DeviceFaultException>(() => client.ExecuteAsync("query-name", null, Token))).ErrorId);
        Assert.False(await client.Events.WaitToReadAsync(Token));
    }

    [Fact]
    public async Task Garbage_ends_the_connection()
    {
        await using QmpClient client = await QmpClient.ConnectAsync(Endpoint, s_patience, Token);
        _qemu.Garbage = "HTTP/1.1 200 OK";

        var error = await Assert.ThrowsAsync<ProtocolException>(() => client.ExecuteAsync("query-name", null, Token));

        Assert.Equal(ErrorIds.QmpInvalid, error.ErrorId);
    }

    [Fact]
    public async Task Nobody_there_is_said_so()
    {
        var error = await Assert.ThrowsAsync<DeviceFaultException>(
            () => QmpClient.ConnectAsync(StreamEndpoint.Parse($"unix:{_folder}/none.qmp"), s_patience, Token));

        Assert.Equal(ErrorIds.MonitorUnreachable, error.ErrorId);
    }

    [Theory]
    [InlineData("")]
    [InlineData("unix:")]
    [InlineData("tcp:host")]
    [InlineData("tcp:host:99999")]
    [InlineData("tcp::4444")]
    [InlineData("tcp:[]:4444")]
    [InlineData("unix:/run/äääääääääääääääääääääääääääääääääääääääääääääääääääääääääää")]
    [InlineData("vm01")]
    public void Refuses_addresses_that_name_no_socket(string text) =>
        Assert.Equal(ErrorIds.MonitorEndpointInvalid, Assert.Throws<InvalidInputException>(() => StreamEndpoint.Parse(text)).ErrorId);
}
