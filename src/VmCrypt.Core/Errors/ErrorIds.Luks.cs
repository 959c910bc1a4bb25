namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>The device does not start with the LUKS magic.</summary>
    public const string NotLuks = nameof(NotLuks);

    /// <summary>The device ends before the LUKS header does.</summary>
    public const string LuksHeaderTruncated = nameof(LuksHeaderTruncated);

    /// <summary>The header names a version of LUKS that is not known here.</summary>
    public const string LuksVersionUnsupported = nameof(LuksVersionUnsupported);

    /// <summary>The payload starts behind the end of the device: a truncated image, or the backup of a header.</summary>
    public const string LuksPayloadBeyondEnd = nameof(LuksPayloadBeyondEnd);

    /// <summary>The header asks for more key derivation work than is allowed.</summary>
    public const string KdfCostTooHigh = nameof(KdfCostTooHigh);

    /// <summary>The key derivation cost asked for is outside of its limits.</summary>
    public const string KdfCostInvalid = nameof(KdfCostInvalid);

    /// <summary>The passphrase opens no slot that was tried.</summary>
    public const string WrongPassphrase = nameof(WrongPassphrase);

    /// <summary>The volume key is not the one of this header.</summary>
    public const string WrongVolumeKey = nameof(WrongVolumeKey);

    /// <summary>A new passphrase is empty or too long.</summary>
    public const string PassphraseInvalid = nameof(PassphraseInvalid);

    /// <summary>The slot number is outside of what the format has.</summary>
    public const string KeySlotInvalid = nameof(KeySlotInvalid);

    /// <summary>The slot holds no key.</summary>
    public const string KeySlotInactive = nameof(KeySlotInactive);

    /// <summary>No slot holds a key; only the volume key opens the payload.</summary>
    public const string NoActiveKeySlot = nameof(NoActiveKeySlot);

    /// <summary>The slot that was to be filled holds a key.</summary>
    public const string KeySlotOccupied = nameof(KeySlotOccupied);

    /// <summary>Every slot holds a key.</summary>
    public const string KeySlotsFull = nameof(KeySlotsFull);

    /// <summary>The last slot would be removed.</summary>
    public const string LastKeySlot = nameof(LastKeySlot);

    /// <summary>A slot just written does not open from the medium.</summary>
    public const string KeySlotNotProven = nameof(KeySlotNotProven);

    /// <summary>Somebody else changed the header since it was opened.</summary>
    public const string LuksHeaderChanged = nameof(LuksHeaderChanged);

    /// <summary>The device is too small for the header that was to be written.</summary>
    public const string LuksAreaTooSmall = nameof(LuksAreaTooSmall);

    /// <summary>The alignment of the payload is not a positive multiple of a sector.</summary>
    public const string PayloadAlignmentInvalid = nameof(PayloadAlignmentInvalid);

    /// <summary>QEMU cannot open, or dies on, what was to be made.</summary>
    public const string QemuCannotOpen = nameof(QemuCannotOpen);

    /// <summary>The cipher name of a LUKS1 header is no NUL-terminated printable text.</summary>
    public const string Luks1CipherNameInvalid = nameof(Luks1CipherNameInvalid);

    /// <summary>The cipher mode of a LUKS1 header is no NUL-terminated printable text.</summary>
    public const string Luks1CipherModeInvalid = nameof(Luks1CipherModeInvalid);

    /// <summary>The hash of a LUKS1 header is no NUL-terminated printable text.</summary>
    public const string Luks1HashSpecInvalid = nameof(Luks1HashSpecInvalid);

    /// <summary>The key length of a LUKS1 header is zero, absurd, or not one of its cipher.</summary>
    public const string Luks1KeyBytesInvalid = nameof(Luks1KeyBytesInvalid);

    /// <summary>The payload of a LUKS1 image would overlap its header.</summary>
    public const string Luks1PayloadOffsetInvalid = nameof(Luks1PayloadOffsetInvalid);

    /// <summary>The volume key digest of a LUKS1 header has no iterations.</summary>
    public const string Luks1DigestIterationsInvalid = nameof(Luks1DigestIterationsInvalid);

    /// <summary>A LUKS1 slot is neither active nor inactive.</summary>
    public const string Luks1SlotStateInvalid = nameof(Luks1SlotStateInvalid);

    /// <summary>A LUKS1 slot does not have 4000 stripes.</summary>
    public const string Luks1StripesInvalid = nameof(Luks1StripesInvalid);

    /// <summary>An active LUKS1 slot has no iterations.</summary>
    public const string Luks1SlotIterationsInvalid = nameof(Luks1SlotIterationsInvalid);

    /// <summary>A LUKS1 slot's key material lies inside the header.</summary>
    public const string Luks1SlotInHeader = nameof(Luks1SlotInHeader);

    /// <summary>A LUKS1 slot's key material reaches into the payload.</summary>
    public const string Luks1SlotInPayload = nameof(Luks1SlotInPayload);

    /// <summary>A LUKS1 slot's key material reaches over the end of the device.</summary>
    public const string Luks1SlotBeyondEnd = nameof(Luks1SlotBeyondEnd);

    /// <summary>The key material of two LUKS1 slots overlaps.</summary>
    public const string Luks1SlotsOverlap = nameof(Luks1SlotsOverlap);
}
