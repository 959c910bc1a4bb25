using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Nbd;

namespace VmCrypt.Core.Tests.Nbd;

/// <summary>A device as a client sees it; disposing it stops the server too.</summary>
internal sealed class ServedDevice : IBlockDevice
{
    private readonly string _folder;
    private readonly NbdDevice _client;

    private ServedDevice(string folder, NbdServer server, NbdDevice client)
    {
        _folder = folder;
        Server = server;
        _client = client;
    }

    public NbdServer Server { get; }

    public long Length => _client.Length;

    public BlockTraits Traits => _client.Traits;

    public static async Task<ServedDevice> CreateAsync(IBlockDevice device, NbdClientOptions options, CancellationToken cancellationToken)
    {
        string folder = Directory.CreateTempSubdirectory("vmcrypt-").FullName;
        NbdServer server = await NbdServer.StartAsync(
            new NbdServerOptions { Listen = [new NbdAddress.Unix(Path.Combine(folder, "socket"))], OwnsDevices = true },
            [new NbdExport("disk", device)],
            cancellationToken);
        return new ServedDevice(folder, server, await NbdDevice.ConnectAsync(server.Uri, options, cancellationToken));
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
        await Server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
