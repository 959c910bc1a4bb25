using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks.Luks1;
using VmCrypt.Core.Luks.Luks2;

namespace VmCrypt.Core.Luks;

/// <summary>The header that <see cref="LuksHeader.FormatAsync"/> is to make.</summary>
public sealed record LuksFormatOptions
{
    public static LuksFormatOptions Default { get; } = new();

    public LuksVersion Version { get; init; } = LuksVersion.Luks1;

    public LuksPlacement Placement { get; init; } = LuksPlacement.Attached;

    public CipherSpec Cipher { get; init; } = CipherSpec.Default;

    /// <summary>Bytes of the volume key; XTS takes two keys of half that size.</summary>
    public int KeySize { get; init; } = 64;

    /// <summary>For PBKDF2, the anti-forensic splitter and the digest of the volume key.</summary>
    public HashKind Hash { get; init; } = HashKind.Sha256;

    public KdfCost Cost { get; init; } = KdfCost.Default;

    /// <summary>Null for a fresh one.</summary>
    public Guid? Uuid { get; init; }

    /// <summary>An attached payload starts at a multiple of this many bytes: 2 MiB, so that a conversion from LUKS1 to LUKS2 finds room.</summary>
    public long PayloadAlignment { get; init; } = 4096 * 512;

    /// <summary>Borrowed; null for a fresh random key.</summary>
    public SecretBuffer? VolumeKey { get; init; }

    /// <summary>Refuse LUKS1 headers that QEMU cannot open or dies on. LUKS2 it opens in no case; <see cref="LuksVersion"/> says what to do.</summary>
    public bool ForQemu { get; init; } = true;

    /// <summary>LUKS2: bytes under one IV, 512 to 4096; null for 4096, as cryptsetup takes for files.</summary>
    public int? SectorSize { get; init; }

    /// <summary>LUKS2: a name for people and udev, at most 47 bytes of UTF-8.</summary>
    public string? Label { get; init; }

    /// <summary>LUKS2: who owns the disk, at most 47 bytes of UTF-8.</summary>
    public string? Subsystem { get; init; }

    /// <summary>LUKS2: bytes of each copy of the header, a power of two from 16 KiB to 4 MiB; null for 16 KiB.</summary>
    public long? MetadataSize { get; init; }

    /// <summary>LUKS2: bytes for the areas of all key slots, a multiple of 4096 up to 128 MiB; null for what makes the header 16 MiB.</summary>
    public long? KeyslotsSize { get; init; }

    /// <summary>Bytes that the header takes at the start of its device; an attached payload follows.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeySizeInvalid"/>, <see cref="ErrorIds.PayloadAlignmentInvalid"/>,
    /// <see cref="ErrorIds.Luks2SizeInvalid"/>.</exception>
    public long HeaderLength => Version == LuksVersion.Luks2 ? Luks2Geometry.Of(this).HeaderLength : Luks1Layout.HeaderLength(this);

    /// <summary>Bytes that the payload's size is a multiple of.</summary>
    public int PayloadSectorSize => Version == LuksVersion.Luks2 ? SectorSize ?? SectorCipher.MaxSectorSize : Luks1Layout.SectorSize;

    /// <summary>Refuses ciphers that are not possible and keys that do not fit them.</summary>
    internal void RequireKey()
    {
        Cipher.RequireSupported();
        Cipher.RequireKeySize(KeySize);
        if (VolumeKey is { } key && key.Length != KeySize)
        {
            throw new InvalidInputException(ErrorIds.KeySizeInvalid, $"The volume key given has {key.Length} bytes, but the key size is {KeySize}.");
        }
    }

    /// <summary>The payload's offset behind a header that ends at <paramref name="end"/>.</summary>
    internal long AlignPayload(long end)
    {
        // LUKS1 stores the offset as 32 bits of sectors; the limit leaves room for any sum.
        const long Limit = 1L << 40;
        return PayloadAlignment is > 0 and <= Limit && PayloadAlignment % Luks1Layout.SectorSize == 0
            ? (end + PayloadAlignment - 1) / PayloadAlignment * PayloadAlignment
            : throw new InvalidInputException(ErrorIds.PayloadAlignmentInvalid,
                $"The payload alignment is {PayloadAlignment} bytes, but must be a positive multiple of {Luks1Layout.SectorSize} up to {Limit}.");
    }
}
