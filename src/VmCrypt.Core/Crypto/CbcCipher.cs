namespace VmCrypt.Core.Crypto;

/// <summary>Cipher block chaining within each sector (NIST SP 800-38A, 6.2) over any block cipher.</summary>
internal sealed class CbcCipher(BlockCipher cipher, SectorIv iv, int sectorSize) : SectorCipher(iv, sectorSize)
{
    // A chain cannot be cut into parallel pieces, but the sectors of a batch are chains of their own:
    // the n-th blocks of all sectors are encrypted together, with the chains' last blocks kept in ivs.
    private protected override void EncryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target)
    {
        int blockSize = cipher.BlockSize;
        for (int block = 0; block < SectorSize; block += blockSize)
        {
            for (int chain = 0, at = block; chain < ivs.Length; chain += blockSize, at += SectorSize)
            {
                XorSpan.Into(source.Slice(at, blockSize), ivs.Slice(chain, blockSize));
            }

            cipher.Encrypt(ivs, ivs);
            for (int chain = 0, at = block; chain < ivs.Length; chain += blockSize, at += SectorSize)
            {
                ivs.Slice(chain, blockSize).CopyTo(target[at..]);
            }
        }
    }

    private protected override void DecryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target)
    {
        int blockSize = cipher.BlockSize;
        Span<byte> before = stackalloc byte[source.Length];
        source[..^blockSize].CopyTo(before[blockSize..]);
        for (int at = 0; at < source.Length; at += SectorSize, ivs = ivs[blockSize..])
        {
            ivs[..blockSize].CopyTo(before[at..]);
        }

        cipher.Decrypt(source, target);
        XorSpan.Into(before, target);
    }

    protected override void Dispose(bool disposing)
    {
        cipher.Dispose();
        base.Dispose(disposing);
    }
}
