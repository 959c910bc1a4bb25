using System.Security.Cryptography;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks.Luks2;
using VmCrypt.Core.Luks.Luks2.Reencrypt;

namespace VmCrypt.Core.Reencryption;

/// <summary>What is stored of a zone before it is rewritten in its place.</summary>
internal sealed class ZoneProtection
{
    private readonly Luks2ReencryptTerms _terms;
    private readonly long _area;
    private readonly HashKind _hash;

    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.HashUnsupported"/>.</exception>
    public ZoneProtection(Luks2ReencryptPlan plan)
    {
        _terms = plan.Terms;
        _area = (long)plan.Slot.Area.Size;
        _hash = _terms.UsesChecksums ? Luks2Words.HashOf(_terms.Hash!) : default;
    }

    public bool UsesJournal => _terms.UsesJournal;

    public bool UsesChecksums => _terms.UsesChecksums;

    public int BlockSize => (int)_terms.BlockSize;

    public int HashSize => Digest.SizeOf(_hash);

    /// <summary>Bytes of the longest zone that can be protected.</summary>
    public long Capacity => UsesChecksums ? _area / HashSize * BlockSize : UsesJournal ? _area : long.MaxValue;

    /// <summary>Bytes of the record of a zone.</summary>
    public long RecordLength(long zone) => UsesChecksums ? zone / BlockSize * HashSize : UsesJournal ? zone : 0;

    /// <summary>Writes the checksum of each block.</summary>
    public void Fill(ReadOnlySpan<byte> blocks, Span<byte> checksums)
    {
        using var digest = new RepeatedDigest(_hash);
        for (int block = 0; block < blocks.Length / BlockSize; block++)
        {
            digest.Hash(blocks.Slice(block * BlockSize, BlockSize), checksums.Slice(block * HashSize, HashSize));
        }
    }

    /// <summary>True where the block is still the one whose checksum was stored.</summary>
    public bool IsOld(ReadOnlySpan<byte> block, ReadOnlySpan<byte> checksum)
    {
        Span<byte> found = stackalloc byte[Digest.MaxSize];
        Digest.Hash(_hash, block, found);
        return CryptographicOperations.FixedTimeEquals(found[..HashSize], checksum);
    }
}
