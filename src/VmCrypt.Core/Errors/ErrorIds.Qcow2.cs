namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>The file does not start with the qcow2 magic.</summary>
    public const string Qcow2MagicInvalid = nameof(Qcow2MagicInvalid);

    /// <summary>The version is neither 2 nor 3.</summary>
    public const string Qcow2VersionUnsupported = nameof(Qcow2VersionUnsupported);

    /// <summary>The file ends inside of its header.</summary>
    public const string Qcow2HeaderTruncated = nameof(Qcow2HeaderTruncated);

    /// <summary>header_length is too small, too large or no multiple of 8.</summary>
    public const string Qcow2HeaderLengthInvalid = nameof(Qcow2HeaderLengthInvalid);

    /// <summary>cluster_bits is outside of 9 to 21.</summary>
    public const string Qcow2ClusterBitsInvalid = nameof(Qcow2ClusterBitsInvalid);

    /// <summary>Extended L2 entries with clusters that are too small for them.</summary>
    public const string Qcow2ExtendedL2Invalid = nameof(Qcow2ExtendedL2Invalid);

    /// <summary>refcount_order is above 6.</summary>
    public const string Qcow2RefcountOrderInvalid = nameof(Qcow2RefcountOrderInvalid);

    /// <summary>An incompatible feature bit is set that we do not know.</summary>
    public const string Qcow2FeatureUnsupported = nameof(Qcow2FeatureUnsupported);

    /// <summary>A conversion of the image in its place is not finished.</summary>
    public const string Qcow2ConversionUnfinished = nameof(Qcow2ConversionUnfinished);

    /// <summary>The journal of an unfinished conversion is damaged.</summary>
    public const string Qcow2ConversionInvalid = nameof(Qcow2ConversionInvalid);

    /// <summary>The journal of an unfinished conversion was not written by who has its keys.</summary>
    public const string Qcow2ConversionUnproven = nameof(Qcow2ConversionUnproven);

    /// <summary>compression_type and its feature bit contradict each other.</summary>
    public const string Qcow2CompressionTypeInvalid = nameof(Qcow2CompressionTypeInvalid);

    /// <summary>compression_type is neither deflate nor zstd.</summary>
    public const string Qcow2CompressionTypeUnsupported = nameof(Qcow2CompressionTypeUnsupported);

    /// <summary>The external data file bits contradict the rest of the header.</summary>
    public const string Qcow2DataFileInvalid = nameof(Qcow2DataFileInvalid);

    /// <summary>crypt_method is none of 0, 1, 2.</summary>
    public const string Qcow2CryptMethodUnsupported = nameof(Qcow2CryptMethodUnsupported);

    /// <summary>The backing file name is too long or not in the first cluster.</summary>
    public const string Qcow2BackingNameInvalid = nameof(Qcow2BackingNameInvalid);

    /// <summary>The L1 table has too many entries, or too few for the disk.</summary>
    public const string Qcow2L1SizeInvalid = nameof(Qcow2L1SizeInvalid);

    /// <summary>The L1 table is misaligned or outside of the file.</summary>
    public const string Qcow2L1OffsetInvalid = nameof(Qcow2L1OffsetInvalid);

    /// <summary>The refcount table has no or too many clusters.</summary>
    public const string Qcow2RefcountTableSizeInvalid = nameof(Qcow2RefcountTableSizeInvalid);

    /// <summary>The refcount table is misaligned or outside of the file.</summary>
    public const string Qcow2RefcountTableOffsetInvalid = nameof(Qcow2RefcountTableOffsetInvalid);

    /// <summary>More snapshots than we accept.</summary>
    public const string Qcow2SnapshotCountInvalid = nameof(Qcow2SnapshotCountInvalid);

    /// <summary>The snapshot table is misaligned, outside of the file, too large, or one of its entries is broken.</summary>
    public const string Qcow2SnapshotTableInvalid = nameof(Qcow2SnapshotTableInvalid);

    /// <summary>No internal snapshot has that id or name.</summary>
    public const string Qcow2SnapshotMissing = nameof(Qcow2SnapshotMissing);

    /// <summary>The encryption header is missing, superfluous, misaligned or outside of the file.</summary>
    public const string Qcow2EncryptionHeaderInvalid = nameof(Qcow2EncryptionHeaderInvalid);

    /// <summary>A header extension is longer than the room for extensions, or not as long as it must be.</summary>
    public const string Qcow2ExtensionInvalid = nameof(Qcow2ExtensionInvalid);

    /// <summary>A header extension appears twice.</summary>
    public const string Qcow2ExtensionDuplicate = nameof(Qcow2ExtensionDuplicate);

    /// <summary>The bitmaps extension, directory or a bitmap breaks the rules.</summary>
    public const string Qcow2BitmapsInvalid = nameof(Qcow2BitmapsInvalid);

    /// <summary>Two areas that the header names overlap.</summary>
    public const string Qcow2TablesOverlap = nameof(Qcow2TablesOverlap);

    /// <summary>A table entry would place guest data over a table.</summary>
    public const string Qcow2ClusterOverlapsMetadata = nameof(Qcow2ClusterOverlapsMetadata);

    /// <summary>An L1 entry is misaligned or points outside of the file.</summary>
    public const string Qcow2L1EntryInvalid = nameof(Qcow2L1EntryInvalid);

    /// <summary>An L2 entry is misaligned or contradicts itself.</summary>
    public const string Qcow2L2EntryInvalid = nameof(Qcow2L2EntryInvalid);

    /// <summary>An L2 entry points outside of the file: the file was cut off or the table is damaged.</summary>
    public const string Qcow2ClusterOutsideFile = nameof(Qcow2ClusterOutsideFile);

    /// <summary>A compressed cluster does not give a whole cluster.</summary>
    public const string Qcow2CompressedClusterInvalid = nameof(Qcow2CompressedClusterInvalid);

    /// <summary>The system has no zstd library, and the image's compressed clusters need it.</summary>
    public const string ZstdMissing = nameof(ZstdMissing);

    /// <summary>A refcount table entry is misaligned or outside of the file, or a refcount contradicts the tables.</summary>
    public const string Qcow2RefcountInvalid = nameof(Qcow2RefcountInvalid);

    /// <summary>The image is marked corrupt and is not written.</summary>
    public const string Qcow2MarkedCorrupt = nameof(Qcow2MarkedCorrupt);

    /// <summary>Legacy AES images are read, never written.</summary>
    public const string Qcow2LegacyAesReadOnly = nameof(Qcow2LegacyAesReadOnly);

    /// <summary>The image has an external data file that was not attached.</summary>
    public const string Qcow2DataFileNotAttached = nameof(Qcow2DataFileNotAttached);

    /// <summary>The options of a new image contradict each other.</summary>
    public const string Qcow2OptionsInvalid = nameof(Qcow2OptionsInvalid);

    /// <summary>The image cannot be resized as it is (version 2 with snapshots).</summary>
    public const string Qcow2ResizeRefused = nameof(Qcow2ResizeRefused);

    /// <summary>The tables cannot describe a file or disk of that size with these clusters.</summary>
    public const string Qcow2TooLarge = nameof(Qcow2TooLarge);
}
