using System.Buffers.Binary;
using System.Numerics;

namespace VmCrypt.Core.Buffers;

/// <summary>CRC-32C (Castagnoli), as RFC 3720 and VHDX use it; the processor's instruction where there is one.</summary>
internal static class Crc32C
{
    public static uint Of(ReadOnlySpan<byte> bytes) => ~Extend(~0u, bytes);

    /// <summary>The checksum of a structure whose field of four bytes at <paramref name="fieldOffset"/>, where the checksum itself stands, counts as zero.</summary>
    public static uint WithZeroedField(ReadOnlySpan<byte> bytes, int fieldOffset)
    {
        uint crc = Extend(~0u, bytes[..fieldOffset]);
        crc = BitOperations.Crc32C(crc, 0u);
        return ~Extend(crc, bytes[(fieldOffset + sizeof(uint))..]);
    }

    private static uint Extend(uint crc, ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (byte value in bytes)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return crc;
    }
}
