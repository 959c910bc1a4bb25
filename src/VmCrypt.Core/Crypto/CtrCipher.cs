using System.Buffers.Binary;
using System.Security.Cryptography;

namespace VmCrypt.Core.Crypto;

/// <summary>Counter mode: the IV is the first counter of its sector, a big-endian number as wide as the block (NIST SP 800-38A, 6.5).</summary>
internal sealed class CtrCipher(BlockCipher cipher, SectorIv iv, int sectorSize) : SectorCipher(iv, sectorSize)
{
    private protected override void EncryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target)
    {
        int blockSize = cipher.BlockSize;
        Span<byte> stream = stackalloc byte[source.Length];
        for (int at = 0; at < stream.Length; at += SectorSize, ivs = ivs[blockSize..])
        {
            FillCounters(ivs[..blockSize], stream.Slice(at, SectorSize));
        }

        cipher.Encrypt(stream, stream);
        XorSpan.Into(source, stream);
        stream.CopyTo(target);
        CryptographicOperations.ZeroMemory(stream);
    }

    private protected override void DecryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target) =>
        EncryptSectors(ivs, source, target);

    protected override void Dispose(bool disposing)
    {
        cipher.Dispose();
        base.Dispose(disposing);
    }

    private static void FillCounters(ReadOnlySpan<byte> first, Span<byte> counters)
    {
        if (first.Length == sizeof(ulong))
        {
            for (ulong counter = BinaryPrimitives.ReadUInt64BigEndian(first); !counters.IsEmpty; counters = counters[first.Length..])
            {
                BinaryPrimitives.WriteUInt64BigEndian(counters, counter++);
            }
        }
        else
        {
            for (UInt128 counter = BinaryPrimitives.ReadUInt128BigEndian(first); !counters.IsEmpty; counters = counters[first.Length..])
            {
                BinaryPrimitives.WriteUInt128BigEndian(counters, counter++);
            }
        }
    }
}
