using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Nbd;

namespace VmCrypt.Core.Tests.Support;

/// <summary>A server of one device on a socket of its own.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly Scratch _scratch;

    private TestServer(Scratch scratch, NbdServer server)
    {
        _scratch = scratch;
        Server = server;
    }

    public NbdServer Server { get; }

    public NbdUri Uri => Server.Uri;

    public static async Task<TestServer> StartAsync(IBlockDevice device, Func<NbdServerOptions, NbdServerOptions>? change = null)
    {
        var scratch = new Scratch();
        var options = new NbdServerOptions { Listen = [new NbdAddress.Unix(scratch["socket"])] };
        NbdServer server = await NbdServer.StartAsync(
            change?.Invoke(options) ?? options, [new NbdExport("disk", device)], TestContext.Current.CancellationToken);
        return new TestServer(scratch, server);
    }

    public Task<NbdDevice> ConnectAsync(NbdClientOptions? options = null) =>
        NbdDevice.ConnectAsync(Uri, options ?? NbdClientOptions.Default, TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        _scratch.Dispose();
    }
}
