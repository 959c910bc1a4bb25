using System.Buffers.Binary;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>One entry of a refcount block: 1, 2 or 4 bits (the first in the low bits of its byte), or 1, 2, 4 or 8 bytes, big-endian.</summary>
internal static class RefcountEntry
{
    public static ulong Read(ReadOnlySpan<byte> block, int index, int bits) => bits switch
    {
        8 => block[index],
        16 => BinaryPrimitives.ReadUInt16BigEndian(block[(index * 2)..]),
        32 => BinaryPrimitives.ReadUInt32BigEndian(block[(index * 4)..]),
        64 => BinaryPrimitives.ReadUInt64BigEndian(block[(index * 8)..]),
        _ => (ulong)(block[index * bits / 8] >> (index * bits % 8) & ((1 << bits) - 1)),
    };

    public static void Write(Span<byte> block, int index, int bits, ulong value)
    {
        switch (bits)
        {
            case 8:
                block[index] = checked((byte)value);
                break;
            case 16:
                BinaryPrimitives.WriteUInt16BigEndian(block[(index * 2)..], checked((ushort)value));
                break;
            case 32:
                BinaryPrimitives.WriteUInt32BigEndian(block[(index * 4)..], checked((uint)value));
                break;
            case 64:
                BinaryPrimitives.WriteUInt64BigEndian(block[(index * 8)..], value);
                break;
            default:
                int shift = index * bits % 8;
                int mask = ((1 << bits) - 1) << shift;
                ref byte target = ref block[index * bits / 8];
                target = (byte)((target & ~mask) | ((int)value << shift & mask));
                break;
        }
    }
}
