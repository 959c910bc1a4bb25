namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>A stream of an engine that only blocks and takes arrays, for callers with spans and for those who await; one may read while another writes.</summary>
/// <remarks>The base class would keep the two apart, and leave plaintext in arrays that others rent.</remarks>
internal sealed class BlockingStream(Stream inner) : Stream
{
    private const int Size = 64 * 1024;

    private readonly Lock _reading = new();
    private readonly Lock _writing = new();
    private readonly byte[] _incoming = new byte[Size];
    private readonly byte[] _outgoing = new byte[Size];

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        lock (_reading)
        {
            int count = inner.Read(_incoming, 0, Math.Min(buffer.Length, Size));
            _incoming.AsSpan(0, count).CopyTo(buffer);
            return count;
        }
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        lock (_writing)
        {
            while (!buffer.IsEmpty)
            {
                int count = Math.Min(buffer.Length, Size);
                buffer[..count].CopyTo(_outgoing);
                inner.Write(_outgoing, 0, count);
                buffer = buffer[count..];
            }
        }
    }

    /// <summary>Cannot be cancelled once it waits: closing the connection ends it.</summary>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        new(Task.Run(() => Read(buffer.Span), cancellationToken));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        new(Task.Run(() => Write(buffer.Span), cancellationToken));

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush() => inner.Flush();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>The connection under it has ended: whoever is still in here returns.</summary>
    protected override void Dispose(bool disposing)
    {
        try
        {
            inner.Dispose();
        }
        catch (Exception gone) when (NbdChannel.IsBreak(gone))
        {
            // Nobody hears the good-bye any more.
        }

        // Not while somebody copies out of them: it would be given zeros for data.
        lock (_reading)
        {
            _incoming.AsSpan().Clear();
        }

        lock (_writing)
        {
            _outgoing.AsSpan().Clear();
        }

        base.Dispose(disposing);
    }
}
