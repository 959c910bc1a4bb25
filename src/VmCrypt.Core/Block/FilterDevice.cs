namespace VmCrypt.Core.Block;

/// <summary>Passes every call on to the device below, which it owns; a filter overrides what it changes.</summary>
public abstract class FilterDevice(IBlockDevice inner) : IBlockDevice
{
    public virtual long Length => Inner.Length;

    public virtual BlockTraits Traits => Inner.Traits;

    protected IBlockDevice Inner { get; } = inner;

    public virtual ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        Inner.ReadAsync(offset, buffer, cancellationToken);

    public virtual ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
        Inner.WriteAsync(offset, buffer, cancellationToken);

    public virtual ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) =>
        Inner.ZeroAsync(offset, count, flags, cancellationToken);

    public virtual ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) =>
        Inner.TrimAsync(offset, count, cancellationToken);

    public virtual ValueTask FlushAsync(CancellationToken cancellationToken) => Inner.FlushAsync(cancellationToken);

    public virtual IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) =>
        Inner.ExtentsAsync(offset, count, cancellationToken);

    public virtual ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => Inner.SetLengthAsync(length, cancellationToken);

    public virtual ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return Inner.DisposeAsync();
    }
}
