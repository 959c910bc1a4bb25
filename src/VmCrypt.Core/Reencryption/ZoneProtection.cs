using System.Security.Cryptography;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Luks.Luks2;
using VmCrypt.Core.Luks.Luks2.Reencrypt;

namespace VmCrypt.Core.Reencryption;

/// <summary>What is stored of a zone before it is rewritten in its place.</summary>
/// <param name="resilience">How; null for what moves and so needs nothing.</param>
/// <param name="hash">Of the checksums.</param>
/// <param name="blockSize">Bytes under one checksum.</param>
/// <param name="area">Bytes that there are for a record.</param>
internal sealed class ZoneProtection(ReencryptionResilience? resilience, HashKind hash, int blockSize, long area)
{
    public bool UsesJournal => resilience == ReencryptionResilience.Journal;

    public bool UsesChecksums => resilience == ReencryptionResilience.Checksum;

    public int BlockSize => blockSize;

    public int HashSize { get; } = Digest.SizeOf(hash);

    /// <summary>Bytes of the longest zone that can be protected.</summary>
    public long Capacity => UsesChecksums ? area / HashSize * BlockSize : UsesJournal ? area : long.MaxValue;

    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.HashUnsupported"/>.</exception>
    public static ZoneProtection Of(Luks2ReencryptPlan plan)
    {
        Luks2ReencryptTerms terms = plan.Terms;
        ReencryptionResilience? resilience = terms.UsesChecksums ? ReencryptionResilience.Checksum : terms.UsesJournal ? ReencryptionResilience.Journal : null;
        return new ZoneProtection(resilience, terms.UsesChecksums ? Luks2Words.HashOf(terms.Hash!) : default, (int)terms.BlockSize, (long)plan.Slot.Area.Size);
    }

    /// <summary>Bytes of the record of a zone.</summary>
    public long RecordLength(long zone) => UsesChecksums ? zone / BlockSize * HashSize : UsesJournal ? zone : 0;

    /// <summary>Writes the checksum of each block.</summary>
    public void Fill(ReadOnlySpan<byte> blocks, Span<byte> checksums)
    {
        using var digest = new RepeatedDigest(hash);
        digest.HashEach(blocks, BlockSize, checksums);
    }

    /// <summary>True where the block is still the one whose checksum was stored.</summary>
    public bool IsOld(ReadOnlySpan<byte> block, ReadOnlySpan<byte> checksum)
    {
        Span<byte> found = stackalloc byte[Digest.MaxSize];
        Digest.Hash(hash, block, found);
        return CryptographicOperations.FixedTimeEquals(found[..HashSize], checksum);
    }
}
