using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>The words of valid metadata as things that this version has.</summary>
/// <param name="Digest">Proves the volume key.</param>
internal sealed record Luks2Terms(LuksPayload Payload, Luks2Proof Digest, int DigestNumber)
{
    /// <exception cref="UnsupportedFeatureException">The header asks for what is not done here; the sentence says what to do.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Luks2DigestInvalid"/>, <see cref="ErrorIds.LuksPayloadBeyondEnd"/>.</exception>
    public static Luks2Terms Of(Luks2Metadata metadata)
    {
        Luks2Requirements.RequireMet(metadata.Config);
        Luks2Segment segment = RequireSegment(metadata);
        Luks2Digest digest = metadata.DigestOfSegment(segment.Number)!;
        return new Luks2Terms(PayloadOf(segment, KeySizeOf(metadata, digest)), Luks2Proof.Of(digest), digest.Number);
    }

    private static Luks2Segment RequireSegment(Luks2Metadata metadata)
    {
        Luks2Segment segment = metadata.Segments[0];
        if (metadata.Segments.Length != 1)
        {
            throw new UnsupportedFeatureException(ErrorIds.Luks2SegmentsUnsupported,
                $"The payload consists of {metadata.Segments.Length} segments, but only one is supported.");
        }

        if (segment.Type != Luks2Segment.CryptType)
        {
            throw new UnsupportedFeatureException(ErrorIds.Luks2SegmentsUnsupported,
                $"The payload is of the type '{segment.Type}', but only '{Luks2Segment.CryptType}' is supported.");
        }

        if (segment.Crypt!.Integrity is { } integrity)
        {
            throw new UnsupportedFeatureException(ErrorIds.Luks2IntegrityUnsupported,
                $"The payload is authenticated ({integrity}) by dm-integrity, which is not supported; open it with cryptsetup and copy it to a disk without.");
        }

        return segment;
    }

    private static LuksPayload PayloadOf(Luks2Segment segment, int keySize)
    {
        Luks2Crypt crypt = segment.Crypt!;
        if (crypt.SectorSize > SectorCipher.MaxSectorSize || !uint.IsPow2(crypt.SectorSize))
        {
            throw new UnsupportedFeatureException(ErrorIds.SectorSizeInvalid,
                $"The payload has sectors of {crypt.SectorSize} bytes, but only 512, 1024, 2048 and 4096 are possible.");
        }

        if (segment.Offset > long.MaxValue || segment.Size > long.MaxValue - segment.Offset)
        {
            throw new InvalidImageException(ErrorIds.LuksPayloadBeyondEnd,
                $"The payload has {segment.Size} bytes at {segment.Offset}, which no device has.");
        }

        return new LuksPayload(CipherOf(crypt.Cipher), keySize, (long)segment.Offset, (int)crypt.SectorSize, crypt.IvTweak)
        {
            Length = (long?)segment.Size,
        };
    }

    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.CipherUnsupported"/>.</exception>
    public static CipherSpec CipherOf(string text)
    {
        int dash = text.IndexOf('-', StringComparison.Ordinal);
        if (dash < 1 || !CipherSpec.TryParse(text[..dash], text[(dash + 1)..], out CipherSpec cipher))
        {
            throw new UnsupportedFeatureException(ErrorIds.CipherUnsupported, $"The cipher {text} is not known.");
        }

        cipher.RequireSupported();
        return cipher;
    }

    // The metadata says it of each slot, not of the payload; without a slot only the volume key itself tells.
    private static int KeySizeOf(Luks2Metadata metadata, Luks2Digest digest) =>
        (int)(metadata.Keyslots.FirstOrDefault(slot => slot.IsLuks2 && digest.Keyslots.Contains(slot.Number))?.KeySize ?? 0);
}
