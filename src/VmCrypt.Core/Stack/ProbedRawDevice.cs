using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Stack;

/// <summary>
/// A disk that was taken for raw because nothing else fitted. A guest that wrote another format's header into it would have
/// that header believed at the next opening, so such writes are refused; with the format named, all writes are free.
/// </summary>
internal sealed class ProbedRawDevice(IBlockDevice inner) : FilterDevice(inner)
{
    public override ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
        offset < FormatProbe.MagicLength && buffer.Length > 0
            ? WriteStartAsync(offset, buffer, cancellationToken)
            : base.WriteAsync(offset, buffer, cancellationToken);

    private async ValueTask WriteStartAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, buffer.Length);
        byte[] start = new byte[(int)Math.Min(FormatProbe.MagicLength, Length)];
        await ReadAsync(0, start, cancellationToken);
        buffer.Span[..(int)Math.Min(buffer.Length, start.Length - offset)].CopyTo(start.AsSpan((int)offset));
        if (FormatProbe.Recognise(start) is var format && format != ImageFormat.Raw)
        {
            throw new RefusedException(ErrorIds.RawHeaderWrite,
                $"The write would put a {format} header at the start of a disk whose format was guessed to be raw; name the format raw to allow it.");
        }

        await base.WriteAsync(offset, buffer, cancellationToken);
    }
}
