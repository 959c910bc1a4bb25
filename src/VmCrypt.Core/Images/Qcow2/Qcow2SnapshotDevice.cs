using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>The disk as an internal snapshot froze it; read-only. Does not own the image.</summary>
internal sealed class Qcow2SnapshotDevice(GuestReader reader, GracePeriod grace, long length, BlockTraits imageTraits) : IBlockDevice
{
    public long Length => length;

    public BlockTraits Traits { get; } = new()
    {
        CanWrite = false,
        RequiredAlignment = imageTraits.RequiredAlignment,
        PreferredBlock = imageTraits.PreferredBlock,
    };

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, buffer.Length);
        BlockGuard.Aligned(this, offset, buffer.Length);
        using GracePeriod.Visit visit = grace.Enter();
        await reader.ReadAsync(offset, buffer, cancellationToken);
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) => Refuse();

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) => Refuse();

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) => Refuse();

    public ValueTask FlushAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, count);
        return reader.ExtentsAsync(offset, count, cancellationToken);
    }

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => Refuse();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private ValueTask Refuse()
    {
        BlockGuard.Writable(this);
        return ValueTask.CompletedTask;
    }
}
