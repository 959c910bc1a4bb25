using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Stack;

/// <summary>
/// A disk that was taken for raw because nothing else fitted. A guest that wrote another format's header into it would have
/// that header believed at the next opening, so such writes are refused; with the format named, all writes are free.
/// </summary>
internal sealed class ProbedRawDevice(IBlockDevice inner) : IBlockDevice
{
    public long Length => inner.Length;

    public BlockTraits Traits => inner.Traits;

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        inner.ReadAsync(offset, buffer, cancellationToken);

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
        offset < FormatProbe.MagicLength && buffer.Length > 0
            ? WriteStartAsync(offset, buffer, cancellationToken)
            : inner.WriteAsync(offset, buffer, cancellationToken);

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) =>
        inner.ZeroAsync(offset, count, flags, cancellationToken);

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) =>
        inner.TrimAsync(offset, count, cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) =>
        inner.ExtentsAsync(offset, count, cancellationToken);

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => inner.SetLengthAsync(length, cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private async ValueTask WriteStartAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        byte[] start = new byte[(int)Math.Min(FormatProbe.MagicLength, Length)];
        await inner.ReadAsync(0, start, cancellationToken);
        buffer.Span[..(int)Math.Min(buffer.Length, start.Length - offset)].CopyTo(start.AsSpan((int)offset));
        if (FormatProbe.Recognise(start) is var format && format != ImageFormat.Raw)
        {
            throw new RefusedException(ErrorIds.RawHeaderWrite,
                $"The write would put a {format} header at the start of a disk whose format was guessed to be raw; name the format raw to allow it.");
        }

        await inner.WriteAsync(offset, buffer, cancellationToken);
    }
}
