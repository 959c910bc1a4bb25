using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Every rule that a header must keep before one of its numbers is used; one error id per rule.</summary>
internal static class Qcow2Validator
{
    /// <summary>Checks what does not need the extensions, and gives the sizes that follow.</summary>
    public static Qcow2Geometry CheckGeometry(in Qcow2Header header)
    {
        if (header.ClusterBits is < Qcow2Limits.MinClusterBits or > Qcow2Limits.MaxClusterBits)
        {
            throw Invalid(ErrorIds.Qcow2ClusterBitsInvalid, $"cluster_bits is {header.ClusterBits}; " +
                $"{Qcow2Limits.MinClusterBits} to {Qcow2Limits.MaxClusterBits} are allowed.");
        }

        bool extended = header.Incompatible.HasFlag(Qcow2Incompatible.ExtendedL2);
        if (extended && header.ClusterBits < Qcow2Limits.MinExtendedClusterBits)
        {
            throw Invalid(ErrorIds.Qcow2ExtendedL2Invalid, $"cluster_bits is {header.ClusterBits}; " +
                $"extended L2 entries need at least {Qcow2Limits.MinExtendedClusterBits}.");
        }

        if (header.RefcountOrder > Qcow2Limits.MaxRefcountOrder)
        {
            throw Invalid(ErrorIds.Qcow2RefcountOrderInvalid,
                $"refcount_order is {header.RefcountOrder}; at most {Qcow2Limits.MaxRefcountOrder} is allowed.");
        }

        if (header.HeaderBytes > 1u << (int)header.ClusterBits)
        {
            throw Invalid(ErrorIds.Qcow2HeaderLengthInvalid, $"The header length is {header.HeaderBytes}; it must end inside of the first cluster.");
        }

        return new Qcow2Geometry((int)header.ClusterBits, 1 << (int)header.RefcountOrder, extended);
    }

    /// <summary>Refuses features that we do not know, by the image's own name for them.</summary>
    public static void CheckFeatures(in Qcow2Header header, Qcow2HeaderExtensions extensions)
    {
        if (header.Incompatible.HasFlag(Qcow2Incompatible.Conversion))
        {
            throw new UnsupportedFeatureException(ErrorIds.Qcow2ConversionUnfinished,
                "A conversion of the image in its place is not finished, so its clusters are of two kinds; finish it with Resume-ImageUpdate.");
        }

        ulong unknown = (ulong)(header.Incompatible & ~Qcow2Features.KnownIncompatible);
        if (unknown != 0)
        {
            IReadOnlyList<string> names = Qcow2Features.Names(Qcow2FeatureKind.Incompatible, unknown, extensions.FeatureNames);
            throw new UnsupportedFeatureException(ErrorIds.Qcow2FeatureUnsupported,
                $"The image uses incompatible features that are not supported: {string.Join(", ", names)}.");
        }

        CheckCompression(header);
        CheckDataFile(header);
        CheckCryptMethod(header);
        if (header.Autoclear.HasFlag(Qcow2Autoclear.Bitmaps) && extensions.Bitmaps is null)
        {
            throw Invalid(ErrorIds.Qcow2BitmapsInvalid, "The bitmaps bit (autoclear bit 0) is set, but there is no bitmaps extension.");
        }
    }

    public static void CheckTables(in Qcow2Header header, Qcow2HeaderExtensions extensions, Qcow2Geometry geometry, long fileLength)
    {
        CheckBackingName(header, geometry, fileLength);
        CheckL1(header, geometry, fileLength);
        CheckRefcountTable(header, geometry, fileLength);
        CheckSnapshotTable(header, geometry, fileLength);
        CheckEncryptionHeader(header, extensions, geometry, fileLength);
        Qcow2FixedAreas.Of(header, extensions, geometry).CheckDisjoint();
    }

    private static void CheckCompression(in Qcow2Header header)
    {
        bool marked = header.Incompatible.HasFlag(Qcow2Incompatible.CompressionType);
        if (marked != (header.CompressionType != 0))
        {
            throw Invalid(ErrorIds.Qcow2CompressionTypeInvalid,
                $"compression_type is {header.CompressionType}, but its incompatible feature bit is {(marked ? "set" : "not set")}.");
        }

        if (header.CompressionType > (byte)Qcow2CompressionType.Zstd)
        {
            throw new UnsupportedFeatureException(ErrorIds.Qcow2CompressionTypeUnsupported,
                $"compression_type is {header.CompressionType}; 0 (deflate) and 1 (zstd) are supported.");
        }
    }

    private static void CheckDataFile(in Qcow2Header header)
    {
        bool external = header.Incompatible.HasFlag(Qcow2Incompatible.ExternalDataFile);
        bool raw = header.Autoclear.HasFlag(Qcow2Autoclear.RawExternalData);
        if (raw && !external)
        {
            throw Invalid(ErrorIds.Qcow2DataFileInvalid, "The raw external data bit is set without the external data file bit.");
        }

        if (raw && header.BackingNameOffset != 0)
        {
            throw Invalid(ErrorIds.Qcow2DataFileInvalid, "An image with a raw external data file cannot have a backing file.");
        }

        if (external && header.SnapshotCount != 0)
        {
            throw Invalid(ErrorIds.Qcow2DataFileInvalid,
                $"An image with an external data file has {header.SnapshotCount} internal snapshots; it cannot have any.");
        }
    }

    private static void CheckCryptMethod(in Qcow2Header header)
    {
        if (header.CryptMethod > (uint)Qcow2CryptMethod.Luks)
        {
            throw new UnsupportedFeatureException(ErrorIds.Qcow2CryptMethodUnsupported,
                $"crypt_method is {header.CryptMethod}; 0 (none), 1 (AES) and 2 (LUKS) are supported.");
        }
    }

    private static void CheckBackingName(in Qcow2Header header, Qcow2Geometry geometry, long fileLength)
    {
        if (header.BackingNameOffset == 0)
        {
            return;
        }

        if (header.BackingNameBytes is 0 or > Qcow2Limits.MaxBackingNameBytes)
        {
            throw Invalid(ErrorIds.Qcow2BackingNameInvalid,
                $"The backing file name has {header.BackingNameBytes} bytes; 1 to {Qcow2Limits.MaxBackingNameBytes} are allowed.");
        }

        long lastStart = Math.Min(geometry.ClusterSize, fileLength) - header.BackingNameBytes;
        if (lastStart < 0 || header.BackingNameOffset < header.HeaderBytes || header.BackingNameOffset > (ulong)lastStart)
        {
            throw Invalid(ErrorIds.Qcow2BackingNameInvalid, $"The backing file name is at offset {header.BackingNameOffset}; " +
                "it must lie behind the header in the first cluster.");
        }
    }

    private static void CheckL1(in Qcow2Header header, Qcow2Geometry geometry, long fileLength)
    {
        if (header.L1Entries > Qcow2Limits.MaxL1TableBytes / sizeof(ulong))
        {
            throw Invalid(ErrorIds.Qcow2L1SizeInvalid,
                $"The L1 table has {header.L1Entries} entries; at most {Qcow2Limits.MaxL1TableBytes / sizeof(ulong)} are allowed.");
        }

        if (header.VirtualSize > long.MaxValue || geometry.L1EntriesFor((long)header.VirtualSize) > header.L1Entries)
        {
            throw Invalid(ErrorIds.Qcow2L1SizeInvalid,
                $"The L1 table has {header.L1Entries} entries; a disk of {header.VirtualSize} bytes needs more.");
        }

        CheckTable(ErrorIds.Qcow2L1OffsetInvalid, "L1 table", header.L1Offset, header.L1Entries * (long)sizeof(ulong), geometry, fileLength);
    }

    private static void CheckRefcountTable(in Qcow2Header header, Qcow2Geometry geometry, long fileLength)
    {
        long bytes = (long)header.RefcountTableClusters << geometry.ClusterBits;
        if (bytes is 0 or > Qcow2Limits.MaxRefcountTableBytes)
        {
            throw Invalid(ErrorIds.Qcow2RefcountTableSizeInvalid, $"The refcount table has {header.RefcountTableClusters} clusters; " +
                $"1 to {Qcow2Limits.MaxRefcountTableBytes >> geometry.ClusterBits} are allowed.");
        }

        CheckTable(ErrorIds.Qcow2RefcountTableOffsetInvalid, "refcount table", header.RefcountTableOffset, bytes, geometry, fileLength);
    }

    private static void CheckSnapshotTable(in Qcow2Header header, Qcow2Geometry geometry, long fileLength)
    {
        if (header.SnapshotCount > Qcow2Limits.MaxSnapshots)
        {
            throw Invalid(ErrorIds.Qcow2SnapshotCountInvalid,
                $"The image has {header.SnapshotCount} snapshots; at most {Qcow2Limits.MaxSnapshots} are allowed.");
        }

        // How long the table is shows only when it is read; each entry takes at least its fixed part.
        CheckTable(ErrorIds.Qcow2SnapshotTableInvalid, "snapshot table", header.SnapshotTableOffset,
            header.SnapshotCount * (long)Qcow2SnapshotEntry.FixedSize, geometry, fileLength);
    }

    private static void CheckEncryptionHeader(
        in Qcow2Header header, Qcow2HeaderExtensions extensions, Qcow2Geometry geometry, long fileLength)
    {
        bool needed = header.CryptMethod == (uint)Qcow2CryptMethod.Luks;
        if (needed != extensions.EncryptionHeader.HasValue)
        {
            throw Invalid(ErrorIds.Qcow2EncryptionHeaderInvalid, needed
                ? "crypt_method is 2 (LUKS), but the encryption header extension is missing."
                : $"crypt_method is {header.CryptMethod}, but there is an encryption header extension, which only LUKS may have.");
        }

        if (extensions.EncryptionHeader is not { } area)
        {
            return;
        }

        if (area.Length is < 1 or > Qcow2Limits.MaxEncryptionHeaderBytes)
        {
            throw Invalid(ErrorIds.Qcow2EncryptionHeaderInvalid,
                $"The encryption header has {area.Length} bytes; 1 to {Qcow2Limits.MaxEncryptionHeaderBytes} are allowed.");
        }

        CheckTable(ErrorIds.Qcow2EncryptionHeaderInvalid, "encryption header", (ulong)area.Offset, area.Length, geometry, fileLength);
    }

    /// <summary>An area of the header's making: cluster aligned, behind the header, inside of the file.</summary>
    private static void CheckTable(string errorId, string name, ulong offset, long bytes, Qcow2Geometry geometry, long fileLength)
    {
        if (bytes == 0)
        {
            return;
        }

        if (!geometry.IsClusterAligned(offset) || offset < (ulong)geometry.ClusterSize)
        {
            throw Invalid(errorId, $"The {name} is at offset {offset}; it must be aligned to {geometry.ClusterSize} bytes, behind the header.");
        }

        if (offset > (ulong)fileLength || bytes > fileLength - (long)offset)
        {
            throw Invalid(errorId, $"The {name} of {bytes} bytes at offset {offset} does not lie in the file of {fileLength} bytes.");
        }
    }

    private static InvalidImageException Invalid(string errorId, string message) => new(errorId, message);
}
