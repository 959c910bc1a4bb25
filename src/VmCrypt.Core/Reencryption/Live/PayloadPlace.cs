using System.Runtime.CompilerServices;
using VmCrypt.Core.Block;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Reencryption.Live;

/// <summary>The bytes of a payload, in its own order, at the places where a device has them. Does not own that device.</summary>
/// <param name="data">Has them.</param>
/// <param name="length">Bytes of the payload.</param>
/// <param name="place">Where a range lies, which callers cut where places do not follow one another.</param>
internal sealed class PayloadPlace(IBlockDevice data, long length, Func<PayloadZone, long> place) : IBlockDevice
{
    public long Length => length;

    public BlockTraits Traits { get; } = data.Traits with { CanResize = false };

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        data.ReadAsync(At(offset, buffer.Length), buffer, cancellationToken);

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
        data.WriteAsync(At(offset, buffer.Length), buffer, cancellationToken);

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) =>
        data.ZeroAsync(At(offset, count), count, flags, cancellationToken);

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) =>
        data.TrimAsync(At(offset, count), count, cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken) => data.FlushAsync(cancellationToken);

    public async IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long at = At(offset, count);
        await foreach (Extent extent in data.ExtentsAsync(at, count, cancellationToken))
        {
            yield return extent with { Offset = extent.Offset - at + offset };
        }
    }

    public ValueTask SetLengthAsync(long newLength, CancellationToken cancellationToken)
    {
        BlockGuard.Resizable(this, newLength);
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private long At(long offset, long count) => place(new PayloadZone(offset, count));
}
