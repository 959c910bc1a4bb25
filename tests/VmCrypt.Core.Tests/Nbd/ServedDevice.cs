using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Nbd;

/// <summary>A device as a client sees it; disposing it stops the server too.</summary>
internal sealed class ServedDevice : IBlockDevice
{
    private readonly TestServer _server;
    private readonly NbdDevice _client;

    private ServedDevice(TestServer server, NbdDevice client)
    {
        _server = server;
        _client = client;
    }

    public long Length => _client.Length;

    public BlockTraits Traits => _client.Traits;

    public static async Task<ServedDevice> CreateAsync(IBlockDevice device, NbdClientOptions options)
    {
        TestServer server = await TestServer.StartAsync(device, change => change with { OwnsDevices = true });
        return new ServedDevice(server, await server.ConnectAsync(options));
    }

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        _client.ReadAsync(offset, buffer, cancellationToken);

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
        _client.WriteAsync(offset, buffer, cancellationToken);

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) =>
        _client.ZeroAsync(offset, count, flags, cancellationToken);

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) =>
        _client.TrimAsync(offset, count, cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken) => _client.FlushAsync(cancellationToken);

    public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) =>
        _client.ExtentsAsync(offset, count, cancellationToken);

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => _client.SetLengthAsync(length, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _server.DisposeAsync();
    }
}
