namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>A copy of a LUKS2 header says that it has a size that no header has.</summary>
    public const string Luks2HeaderSizeInvalid = nameof(Luks2HeaderSizeInvalid);

    /// <summary>A copy of a LUKS2 header says that it lies elsewhere.</summary>
    public const string Luks2HeaderOffsetInvalid = nameof(Luks2HeaderOffsetInvalid);

    /// <summary>The checksum of a copy of a LUKS2 header is wrong.</summary>
    public const string Luks2ChecksumMismatch = nameof(Luks2ChecksumMismatch);

    /// <summary>One copy of a LUKS2 header is a change behind the other.</summary>
    public const string Luks2CopyStale = nameof(Luks2CopyStale);

    /// <summary>The metadata of a LUKS2 header is no JSON object, too deep, too large, or names something twice.</summary>
    public const string Luks2JsonInvalid = nameof(Luks2JsonInvalid);

    /// <summary>What follows the metadata in its area is not NUL.</summary>
    public const string Luks2JsonTailInvalid = nameof(Luks2JsonTailInvalid);

    /// <summary>The metadata says another size of its area than the binary header.</summary>
    public const string Luks2JsonSizeMismatch = nameof(Luks2JsonSizeMismatch);

    /// <summary>One of the five sections of the metadata is missing or no object.</summary>
    public const string Luks2SectionMissing = nameof(Luks2SectionMissing);

    /// <summary>An object of the metadata is not named by a number from 0 to 31.</summary>
    public const string Luks2ObjectNameInvalid = nameof(Luks2ObjectNameInvalid);

    /// <summary>The configuration in the metadata lacks a member or has a wrong one.</summary>
    public const string Luks2ConfigInvalid = nameof(Luks2ConfigInvalid);

    /// <summary>The requirements of the header contradict each other.</summary>
    public const string Luks2RequirementsInvalid = nameof(Luks2RequirementsInvalid);

    /// <summary>A key slot lacks a member or has a wrong one.</summary>
    public const string Luks2KeyslotInvalid = nameof(Luks2KeyslotInvalid);

    /// <summary>A token lacks a member or has a wrong one.</summary>
    public const string Luks2TokenInvalid = nameof(Luks2TokenInvalid);

    /// <summary>A digest lacks a member or has a wrong one.</summary>
    public const string Luks2DigestInvalid = nameof(Luks2DigestInvalid);

    /// <summary>A segment lacks a member or has a wrong one.</summary>
    public const string Luks2SegmentInvalid = nameof(Luks2SegmentInvalid);

    /// <summary>A digest or token names a key slot or segment that does not exist.</summary>
    public const string Luks2ReferenceInvalid = nameof(Luks2ReferenceInvalid);

    /// <summary>A segment does not start at a multiple of 512.</summary>
    public const string Luks2SegmentOffsetInvalid = nameof(Luks2SegmentOffsetInvalid);

    /// <summary>A segment's sector size is no positive multiple of 512.</summary>
    public const string Luks2SectorSizeInvalid = nameof(Luks2SectorSizeInvalid);

    /// <summary>A segment's size is zero or no multiple of its sectors.</summary>
    public const string Luks2SegmentSizeInvalid = nameof(Luks2SegmentSizeInvalid);

    /// <summary>No digest proves the key of an encrypted segment.</summary>
    public const string Luks2SegmentUnproven = nameof(Luks2SegmentUnproven);

    /// <summary>There is no segment, or they are not numbered without gaps.</summary>
    public const string Luks2SegmentsNotInOrder = nameof(Luks2SegmentsNotInOrder);

    /// <summary>Two segments share bytes.</summary>
    public const string Luks2SegmentsOverlap = nameof(Luks2SegmentsOverlap);

    /// <summary>Requirements, segments and key slots do not agree on a re-encryption.</summary>
    public const string Luks2ReencryptionInvalid = nameof(Luks2ReencryptionInvalid);

    /// <summary>The room for key slots is no multiple of 4096, too large, or reaches into the payload.</summary>
    public const string Luks2KeyslotsSizeInvalid = nameof(Luks2KeyslotsSizeInvalid);

    /// <summary>The area of a key slot is empty or outside of the room for key slots.</summary>
    public const string Luks2KeyslotAreaInvalid = nameof(Luks2KeyslotAreaInvalid);

    /// <summary>The areas of two key slots share bytes.</summary>
    public const string Luks2KeyslotAreasOverlap = nameof(Luks2KeyslotAreasOverlap);

    /// <summary>The key of a slot is proven by no digest, or by more than one.</summary>
    public const string Luks2KeyslotUnproven = nameof(Luks2KeyslotUnproven);

    /// <summary>The header does not say where the payload lies in its own device, because it is a detached one.</summary>
    public const string Luks2PayloadElsewhere = nameof(Luks2PayloadElsewhere);

    /// <summary>The header requires of its readers what this version does not know.</summary>
    public const string Luks2RequirementUnknown = nameof(Luks2RequirementUnknown);

    /// <summary>A re-encryption has been begun and not finished.</summary>
    public const string Luks2ReencryptionUnfinished = nameof(Luks2ReencryptionUnfinished);

    /// <summary>The re-encryption is of a kind that only cryptsetup makes and finishes.</summary>
    public const string Luks2ReencryptionUnsupported = nameof(Luks2ReencryptionUnsupported);

    /// <summary>The metadata of a re-encryption is not what its keys prove: somebody without the keys changed it.</summary>
    public const string Luks2ReencryptionUnproven = nameof(Luks2ReencryptionUnproven);

    /// <summary>No re-encryption is under way.</summary>
    public const string Luks2NotReencrypting = nameof(Luks2NotReencrypting);

    /// <summary>The payload is encrypted by the drive itself.</summary>
    public const string Luks2OpalUnsupported = nameof(Luks2OpalUnsupported);

    /// <summary>The payload carries authentication tags.</summary>
    public const string Luks2IntegrityUnsupported = nameof(Luks2IntegrityUnsupported);

    /// <summary>The payload has several segments, or one that is not encrypted.</summary>
    public const string Luks2SegmentsUnsupported = nameof(Luks2SegmentsUnsupported);

    /// <summary>The volume key is proven in a way that is not known.</summary>
    public const string Luks2DigestUnsupported = nameof(Luks2DigestUnsupported);

    /// <summary>The key slot is of a type that no passphrase opens.</summary>
    public const string Luks2KeyslotUnsupported = nameof(Luks2KeyslotUnsupported);

    /// <summary>The key derivation function of a slot is not known.</summary>
    public const string KdfUnsupported = nameof(KdfUnsupported);

    /// <summary>The parts of a header to be made would have a size that the format does not allow.</summary>
    public const string Luks2SizeInvalid = nameof(Luks2SizeInvalid);

    /// <summary>The label is too long or holds a NUL.</summary>
    public const string LabelInvalid = nameof(LabelInvalid);

    /// <summary>The metadata has become too large for its area.</summary>
    public const string LuksMetadataFull = nameof(LuksMetadataFull);

    /// <summary>The header's sequence id is the last one, so that no change of it could be told from an older state.</summary>
    public const string Luks2SequenceExhausted = nameof(Luks2SequenceExhausted);

    /// <summary>The slot holds a key of its own, which does not open the data.</summary>
    public const string KeySlotUnbound = nameof(KeySlotUnbound);

    /// <summary>There is no token of this number.</summary>
    public const string KeyTokenMissing = nameof(KeyTokenMissing);

    /// <summary>All numbers of tokens are in use, or the one that was named.</summary>
    public const string KeyTokensFull = nameof(KeyTokensFull);

    /// <summary>The text is no token.</summary>
    public const string KeyTokenInvalid = nameof(KeyTokenInvalid);

    /// <summary>The token is assigned to no key slot that opens the data.</summary>
    public const string KeyTokenUnassigned = nameof(KeyTokenUnassigned);

    /// <summary>No helper is known that gives the passphrase of a token of this type, or the token says too little.</summary>
    public const string KeyTokenUnsupported = nameof(KeyTokenUnsupported);

    /// <summary>The program that gives the passphrase of tokens of this type is not installed.</summary>
    public const string KeyTokenHelperMissing = nameof(KeyTokenHelperMissing);

    /// <summary>The token's helper gave no passphrase: its server, TPM or key is not there, or does not fit.</summary>
    public const string KeyTokenHelperFailed = nameof(KeyTokenHelperFailed);

    /// <summary>The token's helper was stopped because it took too long.</summary>
    public const string KeyTokenHelperTimeout = nameof(KeyTokenHelperTimeout);

    /// <summary>The device does not return what was written over key material.</summary>
    public const string KeyMaterialNotErased = nameof(KeyMaterialNotErased);
}
