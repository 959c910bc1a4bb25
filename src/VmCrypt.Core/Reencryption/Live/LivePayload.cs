using System.Runtime.CompilerServices;
using VmCrypt.Core.Block;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Reencryption.Live;

/// <summary>The plain bytes of a payload while it is being converted: each where it lies at that moment, under the key that it has there.</summary>
/// <remarks>
/// A write to what is old becomes a part of the old bytes, and is converted with them. A flush makes durable what was written before it,
/// old and new, because the journal on the medium has said which is which before a request can see it. Requests are served in strides, so
/// that a long one does not wait for all the zones that it touches at once. Owns its ciphers, not the device.
/// </remarks>
internal sealed class LivePayload : IBlockDevice
{
    private const long Stride = 4 << 20;

    private readonly IBlockDevice _data;
    private readonly ZoneGate _gate;
    private readonly IBlockDevice _old;
    private readonly IBlockDevice _new;
    private readonly long _moved;

    /// <param name="data">Holds the payload; borrowed.</param>
    /// <param name="plan">Where its bytes lie, and will lie.</param>
    /// <param name="length">Bytes of the payload.</param>
    /// <param name="cipher">Of both sides; taken.</param>
    /// <param name="gate">That of the conversion.</param>
    public LivePayload(IBlockDevice data, IZonePlan plan, long length, PayloadCipher cipher, ZoneGate gate)
    {
        (_data, _gate, _moved) = (data, gate, plan.MovedLength);
        Length = length;
        _old = SideOf(plan.Source, cipher.Before);
        _new = SideOf(plan.Target, cipher.After);
        Traits = data.Traits with
        {
            CanResize = false,
            CanZeroFast = false,
            CanTrim = _old.Traits.CanTrim || _new.Traits.CanTrim,
            RequiredAlignment = Math.Max(_old.Traits.RequiredAlignment, _new.Traits.RequiredAlignment),
        };

        IBlockDevice SideOf(Func<PayloadZone, long> place, PayloadSide side)
        {
            var bytes = new PayloadPlace(data, length, place);
            return side.Cipher is { } encryption ? new CryptDevice(bytes, encryption, side.IvTweak) : bytes;
        }
    }

    public long Length { get; }

    public BlockTraits Traits { get; }

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, buffer.Length);
        BlockGuard.Aligned(this, offset, buffer.Length);
        return ForEachPieceAsync(offset, buffer.Length, writes: false, Read, cancellationToken);

        ValueTask Read(IBlockDevice side, PayloadZone piece) =>
            side.ReadAsync(piece.Offset, buffer.Slice((int)(piece.Offset - offset), (int)piece.Length), cancellationToken);
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, buffer.Length);
        BlockGuard.Aligned(this, offset, buffer.Length);
        return ForEachPieceAsync(offset, buffer.Length, writes: true, Write, cancellationToken);

        ValueTask Write(IBlockDevice side, PayloadZone piece) =>
            side.WriteAsync(piece.Offset, buffer.Slice((int)(piece.Offset - offset), (int)piece.Length), cancellationToken);
    }

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, count);
        BlockGuard.Aligned(this, offset, count);
        BlockGuard.NotOnlyIfFast(flags);
        return ForEachPieceAsync(offset, count, writes: true, (side, piece) => side.ZeroAsync(piece.Offset, piece.Length, flags, cancellationToken), cancellationToken);
    }

    /// <summary>Trims what is plain; encrypted bytes stay, as they do in any encrypted disk.</summary>
    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, count);
        BlockGuard.Aligned(this, offset, count);
        return ForEachPieceAsync(offset, count, writes: true, (side, piece) => side.TrimAsync(piece.Offset, piece.Length, cancellationToken), cancellationToken);
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken) => _data.FlushAsync(cancellationToken);

    public async IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, count);
        var found = new List<Extent>();
        for (long at = offset; at < offset + count;)
        {
            long end = Math.Min(offset + count, StrideEnd(at));
            found.Clear();
            await ForEachPieceAsync(at, end - at, writes: false, ListAsync, cancellationToken);
            foreach (Extent extent in found)
            {
                yield return extent;
            }

            at = end;
        }

        async ValueTask ListAsync(IBlockDevice side, PayloadZone piece)
        {
            await foreach (Extent extent in side.ExtentsAsync(piece.Offset, piece.Length, cancellationToken))
            {
                found.Add(extent);
            }
        }
    }

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        BlockGuard.Resizable(this, length);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _old.DisposeAsync();
        await _new.DisposeAsync();
    }

    private async ValueTask ForEachPieceAsync(
        long offset, long count, bool writes, Func<IBlockDevice, PayloadZone, ValueTask> work, CancellationToken cancellationToken)
    {
        for (long at = offset; at < offset + count;)
        {
            long end = Math.Min(offset + count, StrideEnd(at));
            using GuestHold hold = await _gate.EnterAsync(new PayloadZone(at, end - at), writes, cancellationToken);
            while (at < end)
            {
                (long pieceEnd, bool isNew) = _gate.PieceAt(at, end);
                // What lies aside does not lie beside the rest.
                pieceEnd = at < _moved ? Math.Min(pieceEnd, _moved) : pieceEnd;
                await work(isNew ? _new : _old, new PayloadZone(at, pieceEnd - at));
                at = pieceEnd;
            }
        }
    }

    private static long StrideEnd(long at) => (at / Stride * Stride) + Stride;
}
