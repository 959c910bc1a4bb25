using VmCrypt.Core.Block;

namespace VmCrypt.Core.Tests.Block;

/// <summary>Memory that insists on whole blocks, as a disk does; takes its time, so that races have a chance.</summary>
internal sealed class BlockyDevice(MemoryDevice inner, int block) : IBlockDevice
{
    public long Length => inner.Length;

    public BlockTraits Traits { get; } = inner.Traits with { RequiredAlignment = block };

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.Aligned(this, offset, buffer.Length);
        await Task.Yield();
        await inner.ReadAsync(offset, buffer, cancellationToken);
    }

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.Aligned(this, offset, buffer.Length);
        await Task.Yield();
        await inner.WriteAsync(offset, buffer, cancellationToken);
    }

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        BlockGuard.Aligned(this, offset, count);
        return inner.ZeroAsync(offset, count, flags, cancellationToken);
    }

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        BlockGuard.Aligned(this, offset, count);
        return inner.TrimAsync(offset, count, cancellationToken);
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken)
    {
        BlockGuard.Aligned(this, offset, count);
        return inner.ExtentsAsync(offset, count, cancellationToken);
    }

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        BlockGuard.Resizable(this, length);
        return inner.SetLengthAsync(length, cancellationToken);
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
