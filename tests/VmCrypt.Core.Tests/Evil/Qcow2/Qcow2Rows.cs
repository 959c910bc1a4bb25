using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Evil.Qcow2;

/// <summary>Good qcow2 images with one field changed, and what must come of each.</summary>
/// <remarks>
/// The image is version 3 with clusters of 4 KiB, a disk of 1 MiB whose first 64 KiB are written, one snapshot, one bitmap,
/// a backing file name, and an encryption header area that only some rows turn on. <see cref="EvilImage"/> makes it.
/// </remarks>
internal static class Qcow2Rows
{
    private const int Version = 4;
    private const int BackingOffset = 8;
    private const int BackingSize = 16;
    private const int ClusterBits = 20;
    private const int Size = 24;
    private const int CryptMethod = 32;
    private const int L1Size = 36;
    private const int L1Offset = 40;
    private const int TableOffset = 48;
    private const int TableClusters = 56;
    private const int Snapshots = 60;
    private const int SnapshotOffset = 64;
    private const int Incompatible = 72;
    private const int Autoclear = 88;
    private const int RefcountOrder = 96;
    private const int HeaderLength = 100;
    private const int CompressionType = 104;

    /// <summary>What opening refuses.</summary>
    public static Dictionary<string, (string ErrorId, Action<EvilImage> Change)> Opening { get; } = new(StringComparer.Ordinal)
    {
        ["magic with one bit flipped"] = (ErrorIds.Qcow2MagicInvalid, image => image.Bytes[3] ^= 1),
        ["version 0"] = (ErrorIds.Qcow2VersionUnsupported, image => image.Put32(Version, 0)),
        ["version 1"] = (ErrorIds.Qcow2VersionUnsupported, image => image.Put32(Version, 1)),
        ["version 4"] = (ErrorIds.Qcow2VersionUnsupported, image => image.Put32(Version, 4)),
        ["header length 96"] = (ErrorIds.Qcow2HeaderLengthInvalid, image => image.Put32(HeaderLength, 96)),
        ["header length 108"] = (ErrorIds.Qcow2HeaderLengthInvalid, image => image.Put32(HeaderLength, 108)),
        ["header longer than a cluster"] = (ErrorIds.Qcow2HeaderLengthInvalid, image => image.Put32(HeaderLength, 4104)),
        ["header length at its maximum"] = (ErrorIds.Qcow2HeaderLengthInvalid, image => image.Put32(HeaderLength, uint.MaxValue - 7)),

        ["clusters of 256 bytes"] = (ErrorIds.Qcow2ClusterBitsInvalid, image => image.Put32(ClusterBits, 8)),
        ["clusters of 4 MiB"] = (ErrorIds.Qcow2ClusterBitsInvalid, image => image.Put32(ClusterBits, 22)),
        ["cluster bits 0"] = (ErrorIds.Qcow2ClusterBitsInvalid, image => image.Put32(ClusterBits, 0)),
        ["cluster bits at their maximum"] = (ErrorIds.Qcow2ClusterBitsInvalid, image => image.Put32(ClusterBits, uint.MaxValue)),
        ["extended L2 entries in small clusters"] = (ErrorIds.Qcow2ExtendedL2Invalid, image => image.SetBit(Incompatible, 4)),
        ["refcount order 7"] = (ErrorIds.Qcow2RefcountOrderInvalid, image => image.Put32(RefcountOrder, 7)),
        ["refcount order at its maximum"] = (ErrorIds.Qcow2RefcountOrderInvalid, image => image.Put32(RefcountOrder, uint.MaxValue)),

        ["unknown incompatible bit 5"] = (ErrorIds.Qcow2FeatureUnsupported, image => image.SetBit(Incompatible, 5)),
        ["unknown incompatible bit 63"] = (ErrorIds.Qcow2FeatureUnsupported, image => image.SetBit(Incompatible, 63)),
        ["compression bit without a type"] = (ErrorIds.Qcow2CompressionTypeInvalid, image => image.SetBit(Incompatible, 3)),
        ["compression type without the bit"] = (ErrorIds.Qcow2CompressionTypeInvalid, image => image.Bytes[CompressionType] = 1),
        ["compression type 2"] = (ErrorIds.Qcow2CompressionTypeUnsupported, image =>
        {
            image.SetBit(Incompatible, 3);
            image.Bytes[CompressionType] = 2;
        }),
        ["raw data file without a data file"] = (ErrorIds.Qcow2DataFileInvalid, image => image.SetBit(Autoclear, 1)),
        ["data file with snapshots"] = (ErrorIds.Qcow2DataFileInvalid, image => image.SetBit(Incompatible, 2)),
        ["raw data file with a backing file"] = (ErrorIds.Qcow2DataFileInvalid, image =>
        {
            image.SetBit(Incompatible, 2);
            image.SetBit(Autoclear, 1);
            image.Put32(Snapshots, 0);
        }),
        ["crypt method 3"] = (ErrorIds.Qcow2CryptMethodUnsupported, image => image.Put32(CryptMethod, 3)),

        ["backing name of no bytes"] = (ErrorIds.Qcow2BackingNameInvalid, image => image.Put32(BackingSize, 0)),
        ["backing name of 1024 bytes"] = (ErrorIds.Qcow2BackingNameInvalid, image => image.Put32(BackingSize, 1024)),
        ["backing name of 4 GiB"] = (ErrorIds.Qcow2BackingNameInvalid, image => image.Put32(BackingSize, uint.MaxValue)),
        ["backing name over the header"] = (ErrorIds.Qcow2BackingNameInvalid, image => image.Put64(BackingOffset, 8)),
        ["backing name over the end of the cluster"] = (ErrorIds.Qcow2BackingNameInvalid, image => image.Put64(BackingOffset, 4095)),
        ["backing name at the end of the world"] = (ErrorIds.Qcow2BackingNameInvalid, image => image.Put64(BackingOffset, ulong.MaxValue)),

        ["disk of 2^63 bytes"] = (ErrorIds.Qcow2L1SizeInvalid, image => image.Put64(Size, 1UL << 63)),
        ["disk of 2^63-1 bytes"] = (ErrorIds.Qcow2L1SizeInvalid, image => image.Put64(Size, long.MaxValue)),
        ["disk larger than its L1 table"] = (ErrorIds.Qcow2L1SizeInvalid, image => image.Put64(Size, (2UL << 20) + 512)),
        ["L1 table of no entries"] = (ErrorIds.Qcow2L1SizeInvalid, image => image.Put32(L1Size, 0)),
        ["L1 table above the limit"] = (ErrorIds.Qcow2L1SizeInvalid, image => image.Put32(L1Size, (4 * 1024 * 1024) + 1)),
        ["L1 table of 2^32-1 entries"] = (ErrorIds.Qcow2L1SizeInvalid, image => image.Put32(L1Size, uint.MaxValue)),
        ["L1 table misaligned"] = (ErrorIds.Qcow2L1OffsetInvalid, image => image.Put64(L1Offset, image.Get64(L1Offset) + 512)),
        ["L1 table in the header"] = (ErrorIds.Qcow2L1OffsetInvalid, image => image.Put64(L1Offset, 0)),
        ["L1 table behind the end"] = (ErrorIds.Qcow2L1OffsetInvalid, image => image.Put64(L1Offset, (ulong)image.Bytes.Length)),
        ["L1 table at the end of the world"] = (ErrorIds.Qcow2L1OffsetInvalid, image => image.Put64(L1Offset, ulong.MaxValue - 4095)),
        ["L1 table longer than the file"] = (ErrorIds.Qcow2L1OffsetInvalid, image => image.Put32(L1Size, 4 * 1024 * 1024)),
        ["L1 table over the refcount table"] = (ErrorIds.Qcow2TablesOverlap, image => image.Put64(L1Offset, image.Get64(TableOffset))),

        ["refcount table of no clusters"] = (ErrorIds.Qcow2RefcountTableSizeInvalid, image => image.Put32(TableClusters, 0)),
        ["refcount table above the limit"] = (ErrorIds.Qcow2RefcountTableSizeInvalid, image => image.Put32(TableClusters, 2049)),
        ["refcount table of 2^32-1 clusters"] = (ErrorIds.Qcow2RefcountTableSizeInvalid, image => image.Put32(TableClusters, uint.MaxValue)),
        ["refcount table misaligned"] = (ErrorIds.Qcow2RefcountTableOffsetInvalid, image => image.Put64(TableOffset, 4097)),
        ["refcount table in the header"] = (ErrorIds.Qcow2RefcountTableOffsetInvalid, image => image.Put64(TableOffset, 0)),
        ["refcount table behind the end"] = (ErrorIds.Qcow2RefcountTableOffsetInvalid, image => image.Put64(TableOffset, 1UL << 40)),
        ["refcount table over the L1 table"] = (ErrorIds.Qcow2TablesOverlap, image => image.Put32(TableClusters, 3)),

        ["65537 snapshots"] = (ErrorIds.Qcow2SnapshotCountInvalid, image => image.Put32(Snapshots, 65537)),
        ["2^32-1 snapshots"] = (ErrorIds.Qcow2SnapshotCountInvalid, image => image.Put32(Snapshots, uint.MaxValue)),
        ["snapshot table misaligned"] = (ErrorIds.Qcow2SnapshotTableInvalid, image => image.Put64(SnapshotOffset, (uint)image.SnapshotTable + 8)),
        ["snapshot table in the header"] = (ErrorIds.Qcow2SnapshotTableInvalid, image => image.Put64(SnapshotOffset, 0)),
        ["snapshot table behind the end"] = (ErrorIds.Qcow2SnapshotTableInvalid, image => image.Put64(SnapshotOffset, 1UL << 50)),
        ["more snapshots than the table has"] = (ErrorIds.Qcow2SnapshotTableInvalid, image => image.Put32(Snapshots, 3)),
        ["snapshot with an L1 table misaligned"] = (ErrorIds.Qcow2SnapshotTableInvalid, image => image.Put64(image.SnapshotTable, 100)),
        ["snapshot with an L1 table behind the end"] = (ErrorIds.Qcow2SnapshotTableInvalid, image => image.Put64(image.SnapshotTable, 1UL << 40)),
        ["snapshot with an L1 table above the limit"] = (ErrorIds.Qcow2SnapshotTableInvalid, image => image.Put32(image.SnapshotTable + 8, uint.MaxValue)),
        ["snapshot with an L1 table too small"] = (ErrorIds.Qcow2SnapshotTableInvalid, image => image.Put32(image.SnapshotTable + 8, 0)),
        ["snapshot with too much extra data"] = (ErrorIds.Qcow2SnapshotTableInvalid, image => image.Put32(image.SnapshotTable + 36, 1025)),
        ["snapshot with endless extra data"] = (ErrorIds.Qcow2SnapshotTableInvalid, image => image.Put32(image.SnapshotTable + 36, uint.MaxValue)),
        ["snapshot of a disk of 2^64-1 bytes"] = (ErrorIds.Qcow2SnapshotTableInvalid, image => image.Put64(image.SnapshotTable + 48, ulong.MaxValue)),
        ["snapshot with a name behind the end"] = (ErrorIds.Qcow2SnapshotTableInvalid, image => image.Put16(image.SnapshotTable + 14, ushort.MaxValue)),

        ["extension longer than the cluster"] = (ErrorIds.Qcow2ExtensionInvalid, image => image.Put32(image.Extension(0xE2792ACA) + 4, 4000)),
        ["extension of 2^32-1 bytes"] = (ErrorIds.Qcow2ExtensionInvalid, image => image.Put32(image.Extension(0xE2792ACA) + 4, uint.MaxValue)),
        ["extension twice"] = (ErrorIds.Qcow2ExtensionDuplicate, image => image.Put32(image.Extension(0x6803F857), 0xE2792ACA, 4)),
        ["bitmaps extension of another size"] = (ErrorIds.Qcow2ExtensionInvalid, image => image.Put32(image.Extension(0x23852875) + 4, 16)),
        ["bitmaps bit without the extension"] = (ErrorIds.Qcow2BitmapsInvalid, image => image.Put32(image.Extension(0x23852875), 0x12345678)),

        ["LUKS without an encryption header"] = (ErrorIds.Qcow2EncryptionHeaderInvalid, image =>
        {
            image.Put32(CryptMethod, 2);
            image.Put32(image.Extension(0x0537BE77), 0x12345678);
        }),
        ["encryption header without LUKS"] = (ErrorIds.Qcow2EncryptionHeaderInvalid, image => image.Put32(CryptMethod, 0)),
        ["encryption header of the legacy AES"] = (ErrorIds.Qcow2EncryptionHeaderInvalid, image => image.Put32(CryptMethod, 1)),
        ["encryption header of another size"] = (ErrorIds.Qcow2ExtensionInvalid, image => image.Put32(image.Extension(0x0537BE77) + 4, 8)),
        ["encryption header misaligned"] = (ErrorIds.Qcow2EncryptionHeaderInvalid, image => image.Put64(image.Extension(0x0537BE77) + 8, 513UL)),
        ["encryption header at offset 0"] = (ErrorIds.Qcow2EncryptionHeaderInvalid, image => image.Put64(image.Extension(0x0537BE77) + 8, 0UL)),
        ["encryption header at the end of the world"] =
            (ErrorIds.Qcow2EncryptionHeaderInvalid, image => image.Put64(image.Extension(0x0537BE77) + 8, ulong.MaxValue - 4095)),
        ["encryption header behind the end"] = (ErrorIds.Qcow2EncryptionHeaderInvalid, image => image.Put64(image.Extension(0x0537BE77) + 8, 1UL << 30)),
        ["encryption header of no bytes"] = (ErrorIds.Qcow2EncryptionHeaderInvalid, image => image.Put64(image.Extension(0x0537BE77) + 16, 0)),
        ["encryption header above the limit"] = (ErrorIds.Qcow2EncryptionHeaderInvalid, image => image.Put64(image.Extension(0x0537BE77) + 16, 1UL << 40)),
        ["encryption header over the L1 table"] =
            (ErrorIds.Qcow2TablesOverlap, image => image.Put64(image.Extension(0x0537BE77) + 8, image.Get64(L1Offset))),
    };

    /// <summary>What reading the first cluster refuses.</summary>
    public static Dictionary<string, (string ErrorId, Action<EvilImage> Change)> Reading { get; } = new(StringComparer.Ordinal)
    {
        ["L2 table misaligned"] = (ErrorIds.Qcow2L1EntryInvalid, image => image.Put64(image.L1, image.Get64(image.L1) + 512)),
        ["L2 table behind the end"] = (ErrorIds.Qcow2L1EntryInvalid, image => image.Put64(image.L1, 1UL << 40)),
        ["L2 table half behind the end"] = (ErrorIds.Qcow2L1EntryInvalid, image => image.Put64(image.L1, (ulong)image.Bytes.Length & ~4095UL)),
        ["cluster misaligned"] = (ErrorIds.Qcow2L2EntryInvalid, image => image.Put64(image.L2, image.Get64(image.L2) + 512)),
        ["cluster allocated at offset 0"] = (ErrorIds.Qcow2L2EntryInvalid, image => image.Put64(image.L2, 1UL << 63)),
        ["cluster behind the end"] = (ErrorIds.Qcow2ClusterOutsideFile, image => image.Put64(image.L2, (1UL << 40) | (1UL << 63))),
        ["cluster at the end of the world"] = (ErrorIds.Qcow2ClusterOutsideFile, image => image.Put64(image.L2, 0x00FFFFFFFFFFF000)),
        ["compressed cluster behind the end"] = (ErrorIds.Qcow2ClusterOutsideFile, image => image.Put64(image.L2, (1UL << 62) | (1UL << 40))),
        ["compressed cluster of noise"] = (ErrorIds.Qcow2CompressedClusterInvalid, image => image.Put64(image.L2, (1UL << 62) | (image.Get64(image.L2) & 0xFFFFFF000))),
        ["compressed cluster that ends early"] = (ErrorIds.Qcow2CompressedClusterInvalid, image =>
        {
            ulong place = image.Get64(image.L2) & 0xFFFFFF000;
            // A final stored block of five bytes.
            ((byte[])[1, 5, 0, 0xFA, 0xFF, 1, 2, 3, 4, 5]).CopyTo(image.Bytes, (int)place);
            image.Put64(image.L2, (1UL << 62) | place);
        }),
    };

    /// <summary>What writing a part of the first or the last cluster refuses, changing nothing.</summary>
    public static Dictionary<string, (string ErrorId, Action<EvilImage> Change)> Writing { get; } = new(StringComparer.Ordinal)
    {
        ["cluster over the header"] = (ErrorIds.Qcow2L2EntryInvalid, image => image.Put64(image.L2, 1UL << 63)),
        ["cluster over the refcount table"] =
            (ErrorIds.Qcow2ClusterOverlapsMetadata, image => image.Put64(image.L2, image.Get64(TableOffset) | (1UL << 63))),
        ["cluster over the L1 table"] = (ErrorIds.Qcow2ClusterOverlapsMetadata, image => image.Put64(image.L2, (uint)image.L1 | (1UL << 63))),
        ["cluster over the snapshot table"] =
            (ErrorIds.Qcow2ClusterOverlapsMetadata, image => image.Put64(image.L2, (uint)image.SnapshotTable | (1UL << 63))),
        ["cluster over the encryption header"] = (ErrorIds.Qcow2ClusterOverlapsMetadata,
            image => image.Put64(image.L2, image.Get64(image.Extension(0x0537BE77) + 8) | (1UL << 63))),
        ["refcounts that call the header free"] = (ErrorIds.Qcow2ClusterOverlapsMetadata, image => image.Put16(image.Refcounts, 0)),
        ["refcounts that call the L1 table free"] =
            (ErrorIds.Qcow2ClusterOverlapsMetadata, image => image.Put16(image.Refcounts + (image.L1 / 4096 * 2), 0)),
        ["refcount block misaligned"] = (ErrorIds.Qcow2RefcountInvalid, image => image.Put64((int)image.Get64(TableOffset), 0x2200)),
        ["refcount block behind the end"] = (ErrorIds.Qcow2RefcountInvalid, image => image.Put64((int)image.Get64(TableOffset), 1UL << 40)),
        ["refcount block missing"] = (ErrorIds.Qcow2ClusterOverlapsMetadata, image => image.Put64((int)image.Get64(TableOffset), 0)),
        ["L2 table behind the end"] = (ErrorIds.Qcow2L1EntryInvalid, image => image.Put64(image.L1, (1UL << 63) | (1UL << 40))),

        ["no bitmaps"] = (ErrorIds.Qcow2BitmapsInvalid, image => image.Put32(image.Extension(0x23852875) + 8, 0)),
        ["too many bitmaps"] = (ErrorIds.Qcow2BitmapsInvalid, image => image.Put32(image.Extension(0x23852875) + 8, 65536)),
        ["bitmap directory behind the end"] = (ErrorIds.Qcow2BitmapsInvalid, image => image.Put64(image.Extension(0x23852875) + 24, 1UL << 40)),
        ["bitmap directory above the limit"] = (ErrorIds.Qcow2BitmapsInvalid, image => image.Put64(image.Extension(0x23852875) + 16, 1UL << 40)),
        ["bitmap directory too short"] = (ErrorIds.Qcow2BitmapsInvalid, image => image.Put64(image.Extension(0x23852875) + 16, 8)),
        ["bitmap with unknown flags"] = (ErrorIds.Qcow2BitmapsInvalid, image => image.Put32(image.BitmapDirectory + 12, 8)),
        ["bitmap of another type"] = (ErrorIds.Qcow2BitmapsInvalid, image => image.Bytes[image.BitmapDirectory + 16] = 2),
        ["bitmap of a granularity of 2^63"] = (ErrorIds.Qcow2BitmapsInvalid, image => image.Bytes[image.BitmapDirectory + 17] = 63),
        ["bitmap without a name"] = (ErrorIds.Qcow2BitmapsInvalid, image => image.Put16(image.BitmapDirectory + 18, 0)),
        ["bitmap with endless extra data"] = (ErrorIds.Qcow2BitmapsInvalid, image => image.Put32(image.BitmapDirectory + 20, uint.MaxValue)),
        ["bitmap with a table behind the end"] = (ErrorIds.Qcow2BitmapsInvalid, image => image.Put64(image.BitmapDirectory, 1UL << 40)),
        ["bitmap with a table of 2^32-1 entries"] = (ErrorIds.Qcow2BitmapsInvalid, image => image.Put32(image.BitmapDirectory + 8, uint.MaxValue)),
    };
}
