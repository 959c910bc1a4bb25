using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace VmCrypt.Core.Block;

/// <summary>Copy on write in memory: takes writes without touching the device below, and forgets them when it is disposed.</summary>
/// <remarks>
/// Changed 64 KiB chunks are kept in a sparse map, so memory grows with what is written, not with the size of the device.
/// Reads of unchanged bytes go to the device below, which nobody may change meanwhile.
/// </remarks>
public sealed class OverlayDevice : IBlockDevice
{
    private const int ChunkSize = 64 * 1024;

    // Stands for a chunk of zeros that has no bytes of its own yet.
    private static readonly byte[] s_zeros = [];

    private readonly ConcurrentDictionary<long, byte[]> _chunks = new();
    private readonly StripedGate _gate = new();
    private readonly IBlockDevice _base;
    private readonly bool _ownsBase;

    // Bytes of the base that can still be seen: less than its length once the overlay has been shorter.
    private long _visible;

    public OverlayDevice(IBlockDevice @base, bool ownsBase)
    {
        _base = AlignedDevice.Over(@base);
        _ownsBase = ownsBase;
        _visible = Length = _base.Length;
    }

    public long Length { get; private set; }

    public BlockTraits Traits { get; } = new()
    {
        CanWrite = true,
        CanResize = true,
        CanZeroFast = true,
        CanTrim = true,
        PreferredBlock = ChunkSize,
    };

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        BlockGuard.Range(this, offset, buffer.Length);
        int unchanged = 0;
        int at = 0;
        foreach (Piece piece in PiecesOf(offset, buffer.Length))
        {
            if (_chunks.TryGetValue(piece.Chunk, out byte[]? chunk))
            {
                await ReadBaseAsync(offset + unchanged, buffer[unchanged..at], cancellationToken);
                CopyOut(chunk, piece, buffer.Span[at..]);
                unchanged = at + piece.Count;
            }

            at += piece.Count;
        }

        await ReadBaseAsync(offset + unchanged, buffer[unchanged..], cancellationToken);
    }

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        BlockGuard.WritableRange(this, offset, buffer.Length);
        int at = 0;
        foreach (Piece piece in PiecesOf(offset, buffer.Length))
        {
            byte[] chunk = await OwnChunkAsync(piece, cancellationToken);
            buffer.Span.Slice(at, piece.Count).CopyTo(chunk.AsSpan(piece.Start));
            at += piece.Count;
        }
    }

    public async ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, count);
        foreach (Piece piece in PiecesOf(offset, count))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (piece.Count == ChunkSize)
            {
                _chunks[piece.Chunk] = s_zeros;
            }
            else
            {
                byte[] chunk = await OwnChunkAsync(piece, cancellationToken);
                chunk.AsSpan(piece.Start, piece.Count).Clear();
            }
        }
    }

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) =>
        ZeroAsync(offset, count, ZeroFlags.None, cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public async IAsyncEnumerable<Extent> ExtentsAsync(
        long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, count);
        long at = offset;
        long end = offset + count;
        foreach ((long number, byte[] chunk) in _chunks.OrderBy(entry => entry.Key))
        {
            var kind = chunk == s_zeros ? ExtentKind.Zero : ExtentKind.Data;
            Extent changed = new Extent(number * ChunkSize, ChunkSize, kind).Clip(at, end);
            if (changed.Length == 0)
            {
                continue;
            }

            await foreach (Extent extent in BaseExtentsAsync(at, changed.Offset, cancellationToken))
            {
                yield return extent;
            }

            yield return changed;
            at = changed.End;
        }

        await foreach (Extent extent in BaseExtentsAsync(at, end, cancellationToken))
        {
            yield return extent;
        }
    }

    public async ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        BlockGuard.Resizable(this, length);
        if (length < Length)
        {
            // What is cut off must not come back when the device grows again.
            _visible = Math.Min(_visible, length);
            foreach (long chunk in _chunks.Keys.Where(chunk => chunk * ChunkSize >= length))
            {
                _chunks.TryRemove(chunk, out _);
            }

            int rest = (int)(length % ChunkSize);
            if (_chunks.TryGetValue(length / ChunkSize, out byte[]? cut) && cut != s_zeros)
            {
                cut.AsSpan(rest).Clear();
            }
        }

        Length = length;
        await ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        _gate.Dispose();
        _chunks.Clear();
        return _ownsBase ? _base.DisposeAsync() : ValueTask.CompletedTask;
    }

    /// <summary>The chunk's bytes, ready to be changed: copied from below unless the piece covers all of it.</summary>
    private async ValueTask<byte[]> OwnChunkAsync(Piece piece, CancellationToken cancellationToken)
    {
        if (_chunks.TryGetValue(piece.Chunk, out byte[]? chunk) && chunk != s_zeros)
        {
            return chunk;
        }

        // Two writers of disjoint parts of a new chunk must end up with one array.
        using StripedGate.Hold hold = await _gate.EnterAsync(piece.Chunk, piece.Chunk, cancellationToken);
        bool known = _chunks.TryGetValue(piece.Chunk, out chunk);
        if (known && chunk != s_zeros)
        {
            return chunk!;
        }

        byte[] fresh = new byte[ChunkSize];
        if (!known && piece.Count < ChunkSize)
        {
            await ReadBaseAsync(piece.Chunk * ChunkSize, fresh, cancellationToken);
        }

        _chunks[piece.Chunk] = fresh;
        return fresh;
    }

    private async ValueTask ReadBaseAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int stored = (int)Math.Clamp(_visible - offset, 0, buffer.Length);
        if (stored > 0)
        {
            await _base.ReadAsync(offset, buffer[..stored], cancellationToken);
        }

        buffer.Span[stored..].Clear();
    }

    private async IAsyncEnumerable<Extent> BaseExtentsAsync(long start, long end, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long stored = Math.Clamp(_visible, start, end);
        if (stored > start)
        {
            await foreach (Extent extent in _base.ExtentsAsync(start, stored - start, cancellationToken))
            {
                yield return extent;
            }
        }

        if (end > stored)
        {
            yield return new Extent(stored, end - stored, ExtentKind.Hole);
        }
    }

    private static void CopyOut(byte[] chunk, Piece piece, Span<byte> target)
    {
        if (chunk == s_zeros)
        {
            target[..piece.Count].Clear();
        }
        else
        {
            chunk.AsSpan(piece.Start, piece.Count).CopyTo(target);
        }
    }

    /// <summary>The part of a range that lies in one chunk.</summary>
    private readonly record struct Piece(long Chunk, int Start, int Count);

    private static IEnumerable<Piece> PiecesOf(long offset, long count)
    {
        for (long end = offset + count; offset < end;)
        {
            int start = (int)(offset % ChunkSize);
            int length = (int)Math.Min(ChunkSize - start, end - offset);
            yield return new Piece(offset / ChunkSize, start, length);
            offset += length;
        }
    }
}
