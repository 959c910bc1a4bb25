using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Where the LUKS header lies in the qcow2 file.</summary>
/// <remarks>Extension 0x0537be77, 16 bytes: offset 0 (64 bits, cluster aligned), length 8 (64 bits); both in bytes.</remarks>
public readonly record struct Qcow2EncryptionHeader(long Offset, long Length)
{
    internal const int Size = 16;

    internal static Qcow2EncryptionHeader Parse(ReadOnlySpan<byte> source)
    {
        var reader = new SpanReader(source);
        // Beyond 63 bits the value turns negative, which the validator refuses.
        return new Qcow2EncryptionHeader((long)reader.UInt64BigEndian(), (long)reader.UInt64BigEndian());
    }

    internal void WriteTo(Span<byte> target)
    {
        var writer = new SpanWriter(target);
        writer.UInt64BigEndian((ulong)Offset);
        writer.UInt64BigEndian((ulong)Length);
    }
}
