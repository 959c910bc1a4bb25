using System.Security.Cryptography;

namespace VmCrypt.Core.Crypto;

/// <summary>Counter mode: the IV is the first counter of its sector, a big-endian number as wide as the block (NIST SP 800-38A, 6.5).</summary>
internal sealed class CtrCipher(BlockCipher cipher, SectorIv iv, int sectorSize) : SectorCipher(iv, sectorSize)
{
    private protected override void EncryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target)
    {
        int blockSize = cipher.BlockSize;
        Span<byte> stream = stackalloc byte[SectorSize];
        for (; !source.IsEmpty; source = source[SectorSize..], target = target[SectorSize..], ivs = ivs[blockSize..])
        {
            Span<byte> counter = ivs[..blockSize];
            for (int at = 0; at < stream.Length; at += blockSize)
            {
                counter.CopyTo(stream[at..]);
                Increment(counter);
            }

            cipher.Encrypt(stream, stream);
            XorSpan.Into(source[..SectorSize], stream);
            stream.CopyTo(target);
        }

        CryptographicOperations.ZeroMemory(stream);
    }

    private protected override void DecryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target) =>
        EncryptSectors(ivs, source, target);

    protected override void Dispose(bool disposing)
    {
        cipher.Dispose();
        base.Dispose(disposing);
    }

    private static void Increment(Span<byte> counter)
    {
        int at = counter.Length - 1;
        while (++counter[at] == 0 && at > 0)
        {
            at--;
        }
    }
}
