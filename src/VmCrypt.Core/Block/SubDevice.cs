using System.Runtime.CompilerServices;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block;

/// <summary>A range of another device, seen as a device of its own: byte 0 here is byte <c>offset</c> there.</summary>
/// <remarks>The start is aligned to the device below; where it may not be, an <see cref="AlignedDevice"/> goes between.</remarks>
public sealed class SubDevice : IBlockDevice
{
    private readonly IBlockDevice _inner;
    private readonly long _offset;
    private readonly long? _length;
    private readonly bool _ownsInner;

    /// <summary>The fixed range [offset, offset + length).</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.OutOfRange"/>, <see cref="ErrorIds.Misaligned"/>.</exception>
    public SubDevice(IBlockDevice inner, long offset, long length, bool ownsInner)
        : this(inner, offset, ownsInner, (long?)length)
    {
    }

    private SubDevice(IBlockDevice inner, long offset, bool ownsInner, long? length)
    {
        BlockGuard.Range(inner, offset, length ?? 0);
        BlockGuard.Aligned(inner, offset, length ?? 0);
        _inner = inner;
        _offset = offset;
        _length = length;
        _ownsInner = ownsInner;
        Traits = inner.Traits with { CanResize = length is null && inner.Traits.CanResize };
    }

    /// <summary>Everything from <paramref name="offset"/> on; grows and shrinks with the device below, and resizes it.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.OutOfRange"/>, <see cref="ErrorIds.Misaligned"/>.</exception>
    public static SubDevice Tail(IBlockDevice inner, long offset, bool ownsInner) => new(inner, offset, ownsInner, length: null);

    public long Length => _length ?? _inner.Length - _offset;

    public BlockTraits Traits { get; }

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, buffer.Length);
        return _inner.ReadAsync(_offset + offset, buffer, cancellationToken);
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, buffer.Length);
        return _inner.WriteAsync(_offset + offset, buffer, cancellationToken);
    }

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, count);
        return _inner.ZeroAsync(_offset + offset, count, flags, cancellationToken);
    }

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, count);
        return _inner.TrimAsync(_offset + offset, count, cancellationToken);
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken) => _inner.FlushAsync(cancellationToken);

    public async IAsyncEnumerable<Extent> ExtentsAsync(
        long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, count);
        await foreach (Extent extent in _inner.ExtentsAsync(_offset + offset, count, cancellationToken))
        {
            yield return extent with { Offset = extent.Offset - _offset };
        }
    }

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        BlockGuard.Resizable(this, length);
        return _inner.SetLengthAsync(checked(_offset + length), cancellationToken);
    }

    public ValueTask DisposeAsync() => _ownsInner ? _inner.DisposeAsync() : ValueTask.CompletedTask;
}
