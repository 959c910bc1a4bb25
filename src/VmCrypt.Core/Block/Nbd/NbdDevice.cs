namespace VmCrypt.Core.Block.Nbd;

/// <summary>An export of an NBD server as a device.</summary>
public sealed class NbdDevice : IBlockDevice
{
    public long Length => throw new NotSupportedException();

    public BlockTraits Traits => throw new NotSupportedException();

    /// <summary>Connects and negotiates; nothing is written.</summary>
    public static Task<NbdDevice> ConnectAsync(NbdUri uri, NbdClientOptions options, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    /// <summary>The exports that the server at the address of <paramref name="uri"/> shows.</summary>
    public static Task<IReadOnlyList<NbdExportInfo>> ListAsync(NbdUri uri, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask FlushAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask DisposeAsync() => throw new NotSupportedException();
}
