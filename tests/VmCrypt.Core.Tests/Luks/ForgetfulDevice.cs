using VmCrypt.Core.Block;

namespace VmCrypt.Core.Tests.Luks;

/// <summary>Accepts writes that start in a range and loses them, as a medium that lies.</summary>
internal sealed class ForgetfulDevice(IBlockDevice inner, long from, long to) : IBlockDevice
{
    public long Length => inner.Length;

    public BlockTraits Traits => inner.Traits;

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        inner.ReadAsync(offset, buffer, cancellationToken);

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
        offset >= from && offset < to ? ValueTask.CompletedTask : inner.WriteAsync(offset, buffer, cancellationToken);

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) =>
        inner.ZeroAsync(offset, count, flags, cancellationToken);

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) =>
        inner.TrimAsync(offset, count, cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) =>
        inner.ExtentsAsync(offset, count, cancellationToken);

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => inner.SetLengthAsync(length, cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
