using System.Buffers.Binary;

namespace VmCrypt.Core.Buffers;

/// <summary>Writes fixed fields one after the other into a span that is large enough; the mirror of <see cref="SpanReader"/>.</summary>
internal ref struct SpanWriter(Span<byte> target)
{
    private Span<byte> _rest = target;

    public readonly int Remaining => _rest.Length;

    /// <summary>The next <paramref name="count"/> bytes, for the caller to fill.</summary>
    public Span<byte> Take(int count)
    {
        Span<byte> taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }

    public void Bytes(ReadOnlySpan<byte> value) => value.CopyTo(Take(value.Length));

    public void Zeros(int count) => Take(count).Clear();

    public void Byte(byte value) => Take(1)[0] = value;

    public void UInt16BigEndian(ushort value) => BinaryPrimitives.WriteUInt16BigEndian(Take(2), value);

    public void UInt32BigEndian(uint value) => BinaryPrimitives.WriteUInt32BigEndian(Take(4), value);

    public void UInt64BigEndian(ulong value) => BinaryPrimitives.WriteUInt64BigEndian(Take(8), value);

    public void UInt16LittleEndian(ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(Take(2), value);

    public void UInt32LittleEndian(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Take(4), value);

    public void UInt64LittleEndian(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Take(8), value);
}
