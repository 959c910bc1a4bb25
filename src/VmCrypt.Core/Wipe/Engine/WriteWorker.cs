using VmCrypt.Core.Wipe.Patterns;

namespace VmCrypt.Core.Wipe.Engine;

/// <summary>Writes the content of a pass; what cannot be written is narrowed down to units, listed and passed over.</summary>
internal sealed class WriteWorker(IWipeMedium medium, PassContent content, Throttle throttle, Defects unwritable) : IChunkWorker
{
    private readonly AlignedBuffer _buffer = new(ChunkPump.ChunkSize);

    // What the buffer holds: the phase of a repeating content, and how many bytes of it.
    private (long Phase, int Length) _filled = (-1, 0);

    public async ValueTask DoAsync(Chunk chunk, CancellationToken cancellationToken)
    {
        // A file that somebody has cut would grow again under the next write, and look as if nothing had happened.
        medium.CheckUnchanged();
        Fill(chunk);
        await throttle.TakeAsync(chunk.Length, cancellationToken);
        await Narrowing.RunAsync(
            medium.Unit,
            new ByteRange(chunk.Offset, chunk.Length),
            part => medium.Device.WriteAsync(part.Offset, Part(chunk, part), cancellationToken),
            unwritable.Add);
    }

    public void Dispose()
    {
        ((IDisposable)_buffer).Dispose();
        content.Dispose();
    }

    private void Fill(Chunk chunk)
    {
        long phase = content.Period == 0 ? -1 : chunk.Offset % content.Period;
        if (phase < 0 || phase != _filled.Phase || chunk.Length > _filled.Length)
        {
            content.Fill(chunk.Offset, _buffer.GetSpan()[..chunk.Length]);
            _filled = (phase, chunk.Length);
        }
    }

    private Memory<byte> Part(Chunk chunk, ByteRange part) => _buffer.Memory.Slice((int)(part.Offset - chunk.Offset), (int)part.Length);
}

/// <summary>Reads a pass back and compares; what cannot be read, and what differs, is narrowed down to units and listed.</summary>
/// <param name="unwritable">Of these nobody expects that they verify.</param>
internal sealed class VerifyWorker(
    IWipeMedium medium, PassContent content, Throttle throttle, Defects unwritable, Defects unreadable, Defects mismatched) : IChunkWorker
{
    private readonly AlignedBuffer _buffer = new(ChunkPump.ChunkSize);

    public async ValueTask DoAsync(Chunk chunk, CancellationToken cancellationToken)
    {
        await throttle.TakeAsync(chunk.Length, cancellationToken);
        await Narrowing.RunAsync(
            medium.Unit,
            new ByteRange(chunk.Offset, chunk.Length),
            part => ReadAsync(part, cancellationToken),
            unreadable.Add);
    }

    public void Dispose()
    {
        ((IDisposable)_buffer).Dispose();
        content.Dispose();
    }

    private async ValueTask ReadAsync(ByteRange part, CancellationToken cancellationToken)
    {
        Memory<byte> bytes = _buffer.Memory[..(int)part.Length];
        await medium.Device.ReadAsync(part.Offset, bytes, cancellationToken);
        Compare(part.Offset, bytes.Span);
    }

    private void Compare(long offset, ReadOnlySpan<byte> bytes)
    {
        for (int at = 0; at < bytes.Length;)
        {
            int same = content.FirstDifference(offset + at, bytes[at..]);
            if (same < 0)
            {
                return;
            }

            int start = (at + same) / medium.Unit * medium.Unit;
            at = start;
            do
            {
                at = Math.Min(at + medium.Unit, bytes.Length);
            }
            while (at < bytes.Length && Differs(offset + at, bytes[at..]));

            Report(new ByteRange(offset + start, at - start));
        }
    }

    private bool Differs(long offset, ReadOnlySpan<byte> bytes) =>
        content.FirstDifference(offset, bytes[..Math.Min(medium.Unit, bytes.Length)]) >= 0;

    private void Report(ByteRange range)
    {
        if (unwritable.List.Bytes == 0)
        {
            mismatched.Add(range);
            return;
        }

        for (long at = range.Offset; at < range.End; at += medium.Unit)
        {
            var unit = new ByteRange(at, Math.Min(medium.Unit, range.End - at));
            if (!unwritable.Covers(unit))
            {
                mismatched.Add(unit);
            }
        }
    }
}
