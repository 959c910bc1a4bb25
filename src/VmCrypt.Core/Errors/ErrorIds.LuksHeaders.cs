namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>cryptsetup is changing the header, and did not come to an end.</summary>
    public const string LuksHeaderLocked = nameof(LuksHeaderLocked);

    /// <summary>The image shows no header that a backup could be compared with.</summary>
    public const string LuksHeaderDestroyed = nameof(LuksHeaderDestroyed);

    /// <summary>A header was written as a whole, but does not read back.</summary>
    public const string LuksHeaderNotStored = nameof(LuksHeaderNotStored);

    /// <summary>The backup is of a header with another UUID.</summary>
    public const string HeaderBackupUuidDiffers = nameof(HeaderBackupUuidDiffers);

    /// <summary>The backup is of a header of another version.</summary>
    public const string HeaderBackupVersionDiffers = nameof(HeaderBackupVersionDiffers);

    /// <summary>The backup is of a payload under another cipher or key size.</summary>
    public const string HeaderBackupCipherDiffers = nameof(HeaderBackupCipherDiffers);

    /// <summary>The backup places the payload elsewhere than the disk does.</summary>
    public const string HeaderBackupLayoutDiffers = nameof(HeaderBackupLayoutDiffers);

    /// <summary>The backup holds another volume key than the disk.</summary>
    public const string HeaderBackupKeyDiffers = nameof(HeaderBackupKeyDiffers);

    /// <summary>The header has the version that it was to be converted to.</summary>
    public const string ConversionNeedless = nameof(ConversionNeedless);

    /// <summary>The header lies inside a container, which holds LUKS1 only.</summary>
    public const string ConversionEmbedded = nameof(ConversionEmbedded);

    /// <summary>There is no room for the key material at its new place.</summary>
    public const string ConversionNoRoom = nameof(ConversionNoRoom);

    /// <summary>Key material does not lie at a multiple of 4096 bytes.</summary>
    public const string ConversionMisaligned = nameof(ConversionMisaligned);

    /// <summary>Metadata of another tool (LUKSMETA) lies behind the header.</summary>
    public const string ConversionForeignMetadata = nameof(ConversionForeignMetadata);

    /// <summary>LUKS1 knows no payload of that size, place, sector size or IV offset.</summary>
    public const string ConversionPayload = nameof(ConversionPayload);

    /// <summary>LUKS1 has no tokens.</summary>
    public const string ConversionTokens = nameof(ConversionTokens);

    /// <summary>LUKS1 has PBKDF2 only.</summary>
    public const string ConversionKdf = nameof(ConversionKdf);

    /// <summary>LUKS1 has no key slots with keys of their own.</summary>
    public const string ConversionUnbound = nameof(ConversionUnbound);

    /// <summary>LUKS1 has the key slots 0 to 7 only.</summary>
    public const string ConversionSlotNumber = nameof(ConversionSlotNumber);

    /// <summary>LUKS1 has one hash for everything.</summary>
    public const string ConversionHash = nameof(ConversionHash);

    /// <summary>LUKS1 encrypts key material with the cipher of the payload.</summary>
    public const string ConversionSlotCipher = nameof(ConversionSlotCipher);

    /// <summary>What was asked for is done with -Force only.</summary>
    public const string ForceRequired = nameof(ForceRequired);
}
