using VmCrypt.Core.Block;

namespace VmCrypt.Core.Tests.Luks;

/// <summary>Counts what is read, and lets nothing be written.</summary>
internal sealed class ReadCounter(IBlockDevice inner) : IBlockDevice
{
    public long BytesRead { get; private set; }

    public long Length => inner.Length;

    public BlockTraits Traits => inner.Traits with { CanWrite = false };

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        BytesRead += buffer.Length;
        return inner.ReadAsync(offset, buffer, cancellationToken);
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) => throw Written();

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) => throw Written();

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) => throw Written();

    public ValueTask FlushAsync(CancellationToken cancellationToken) => throw Written();

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => throw Written();

    public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) =>
        inner.ExtentsAsync(offset, count, cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private static InvalidOperationException Written() => new("Something was written to a device that is only to be read.");
}
