using System.Buffers.Binary;

namespace VmCrypt.Core.Buffers;

/// <summary>Reads fixed fields of an on-disk or on-wire structure one after the other; the caller has checked the length.</summary>
internal ref struct SpanReader(ReadOnlySpan<byte> source)
{
    private ReadOnlySpan<byte> _rest = source;

    public readonly int Remaining => _rest.Length;

    public ReadOnlySpan<byte> Bytes(int count)
    {
        ReadOnlySpan<byte> taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }

    public void Skip(int count) => _rest = _rest[count..];

    public byte Byte() => Bytes(1)[0];

    public ushort UInt16BigEndian() => BinaryPrimitives.ReadUInt16BigEndian(Bytes(2));

    public uint UInt32BigEndian() => BinaryPrimitives.ReadUInt32BigEndian(Bytes(4));

    public ulong UInt64BigEndian() => BinaryPrimitives.ReadUInt64BigEndian(Bytes(8));

    public ushort UInt16LittleEndian() => BinaryPrimitives.ReadUInt16LittleEndian(Bytes(2));

    public uint UInt32LittleEndian() => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4));

    public ulong UInt64LittleEndian() => BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8));
}
