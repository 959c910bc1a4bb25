using System.Buffers;
using System.Runtime.CompilerServices;

namespace VmCrypt.Core.Block;

/// <summary>Takes any offset and count over a device that insists on whole blocks: the one place where unaligned access is handled.</summary>
/// <remarks>
/// Aligned calls go straight through, without copies. Of any other call the whole blocks in the middle do, too; the partial
/// block at either end is read, changed and written back under a lock, so that neighbours who share a block keep their bytes.
/// Partial reads take the lock as well: below, a block that is being rewritten may be encrypted and must not be seen half.
/// A last block that is not whole is left out of <see cref="Length"/>. Owns the device below.
/// </remarks>
public sealed class AlignedDevice : IBlockDevice
{
    private readonly IBlockDevice _inner;
    private readonly int _block;
    private readonly StripedGate _gate = new();

    private AlignedDevice(IBlockDevice inner)
    {
        _inner = inner;
        _block = inner.Traits.RequiredAlignment;
        Traits = inner.Traits with { RequiredAlignment = 1 };
    }

    /// <summary>The device itself where it needs no alignment.</summary>
    public static IBlockDevice Over(IBlockDevice inner) => inner.Traits.RequiredAlignment == 1 ? inner : new AlignedDevice(inner);

    public long Length => Down(_inner.Length);

    public BlockTraits Traits { get; }

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, buffer.Length);
        return BlockGuard.IsAligned(_inner, offset, buffer.Length)
            ? _inner.ReadAsync(offset, buffer, cancellationToken)
            : ReadUnalignedAsync(offset, buffer, cancellationToken);
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, buffer.Length);
        return BlockGuard.IsAligned(_inner, offset, buffer.Length)
            ? _inner.WriteAsync(offset, buffer, cancellationToken)
            : WriteUnalignedAsync(offset, buffer, cancellationToken);
    }

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, count);
        return BlockGuard.IsAligned(_inner, offset, count)
            ? _inner.ZeroAsync(offset, count, flags, cancellationToken)
            : ZeroUnalignedAsync(offset, count, flags, cancellationToken);
    }

    /// <summary>Trims the whole blocks of the range; partial ones keep their content.</summary>
    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, count);
        Split split = SplitUp(offset, count);
        return split.Middle > 0 ? _inner.TrimAsync(offset + split.Head, split.Middle, cancellationToken) : ValueTask.CompletedTask;
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken) => _inner.FlushAsync(cancellationToken);

    public async IAsyncEnumerable<Extent> ExtentsAsync(
        long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, count);
        long start = Down(offset);
        await foreach (Extent extent in _inner.ExtentsAsync(start, Up(offset + count) - start, cancellationToken))
        {
            if (extent.Clip(offset, offset + count) is { Length: > 0 } inside)
            {
                yield return inside;
            }
        }
    }

    /// <summary>The new length is a multiple of the alignment below.</summary>
    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) =>
        _inner.SetLengthAsync(length, cancellationToken);

    public ValueTask DisposeAsync()
    {
        _gate.Dispose();
        return _inner.DisposeAsync();
    }

    private async ValueTask ReadUnalignedAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        Split split = SplitUp(offset, buffer.Length);
        byte[] block = ArrayPool<byte>.Shared.Rent(_block);
        try
        {
            using StripedGate.Hold hold = await EnterAsync(offset, buffer.Length, split, cancellationToken);
            if (split.Head > 0)
            {
                await _inner.ReadAsync(Down(offset), block.AsMemory(0, _block), cancellationToken);
                block.AsSpan(InBlock(offset), split.Head).CopyTo(buffer.Span);
            }

            if (split.Middle > 0)
            {
                await _inner.ReadAsync(offset + split.Head, buffer.Slice(split.Head, (int)split.Middle), cancellationToken);
            }

            if (split.Tail > 0)
            {
                await _inner.ReadAsync(Down(offset + buffer.Length), block.AsMemory(0, _block), cancellationToken);
                block.AsSpan(0, split.Tail).CopyTo(buffer.Span[^split.Tail..]);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block, clearArray: true);
        }
    }

    private async ValueTask WriteUnalignedAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        Split split = SplitUp(offset, buffer.Length);
        using StripedGate.Hold hold = await EnterAsync(offset, buffer.Length, split, cancellationToken);
        if (split.Head > 0)
        {
            await ChangeBlockAsync(offset, buffer[..split.Head], cancellationToken);
        }

        if (split.Middle > 0)
        {
            await _inner.WriteAsync(offset + split.Head, buffer.Slice(split.Head, (int)split.Middle), cancellationToken);
        }

        if (split.Tail > 0)
        {
            await ChangeBlockAsync(offset + buffer.Length - split.Tail, buffer[^split.Tail..], cancellationToken);
        }
    }

    private async ValueTask ZeroUnalignedAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        Split split = SplitUp(offset, count);
        using StripedGate.Hold hold = await EnterAsync(offset, count, split, cancellationToken);
        // The middle first: when it refuses to zero slowly, nothing has changed yet.
        if (split.Middle > 0)
        {
            await _inner.ZeroAsync(offset + split.Head, split.Middle, flags, cancellationToken);
        }

        if (split.Head > 0)
        {
            await ChangeBlockAsync(offset, new byte[split.Head], cancellationToken);
        }

        if (split.Tail > 0)
        {
            await ChangeBlockAsync(offset + count - split.Tail, new byte[split.Tail], cancellationToken);
        }
    }

    /// <summary>Replaces some bytes of one block; the caller holds its lock.</summary>
    private async ValueTask ChangeBlockAsync(long offset, ReadOnlyMemory<byte> part, CancellationToken cancellationToken)
    {
        byte[] block = ArrayPool<byte>.Shared.Rent(_block);
        try
        {
            await _inner.ReadAsync(Down(offset), block.AsMemory(0, _block), cancellationToken);
            part.Span.CopyTo(block.AsSpan(InBlock(offset)));
            await _inner.WriteAsync(Down(offset), block.AsMemory(0, _block), cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block, clearArray: true);
        }
    }

    /// <summary>Locks the blocks of which the call touches only a part.</summary>
    private ValueTask<StripedGate.Hold> EnterAsync(long offset, long count, Split split, CancellationToken cancellationToken)
    {
        long first = offset / _block;
        long last = (offset + count) / _block;
        return _gate.EnterAsync(split.Head > 0 ? first : last, split.Tail > 0 ? last : first, cancellationToken);
    }

    /// <summary>Bytes before the first whole block, in whole blocks, after the last one.</summary>
    private readonly record struct Split(int Head, long Middle, int Tail);

    private Split SplitUp(long offset, long count)
    {
        int head = (int)Math.Min(count, Up(offset) - offset);
        int tail = head == count ? 0 : InBlock(offset + count);
        return new Split(head, count - head - tail, tail);
    }

    private long Down(long offset) => offset & -_block;

    private long Up(long offset) => (offset + _block - 1) & -_block;

    private int InBlock(long offset) => (int)(offset & (_block - 1));
}
