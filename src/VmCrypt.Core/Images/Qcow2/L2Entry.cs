using System.Buffers.Binary;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>One entry of an L2 table: where a guest cluster is. With extended L2 entries a bitmap tells its 32 subclusters apart.</summary>
/// <remarks>
/// Descriptor: bit 63 copied (refcount is one), bit 62 compressed. Standard: bits 9-55 host offset, bit 0 reads as zeros (version 3).
/// Compressed, with x = 62 - (cluster_bits - 8): bits 0 to x-1 host offset, bits x to 61 further 512-byte sectors.
/// Bitmap: bits 0-31 subcluster allocated, bits 32-63 subcluster reads as zeros.
/// </remarks>
internal readonly record struct L2Entry(ulong Descriptor, ulong Bitmap)
{
    public const ulong CopiedFlag = 1UL << 63;
    public const ulong CompressedFlag = 1UL << 62;
    public const ulong ZeroFlag = 1;
    public const ulong OffsetMask = 0x00FFFFFFFFFFFE00;
    public const ulong AllAllocated = 0x00000000FFFFFFFF;
    public const ulong AllZero = 0xFFFFFFFF00000000;

    private const int Sector = 512;

    public static L2Entry Unallocated => default;

    /// <summary>A cluster that reads as zeros and has no storage.</summary>
    public static L2Entry Zero(Qcow2Geometry geometry) => geometry.ExtendedL2 ? new(0, AllZero) : new(ZeroFlag, 0);

    /// <summary>A whole cluster of data at a place of its own.</summary>
    public static L2Entry Data(Qcow2Geometry geometry, long host) =>
        new((ulong)host | CopiedFlag, geometry.ExtendedL2 ? AllAllocated : 0);

    public static L2Entry Parse(Qcow2Geometry geometry, ReadOnlySpan<byte> source) => new(
        BinaryPrimitives.ReadUInt64BigEndian(source),
        geometry.ExtendedL2 ? BinaryPrimitives.ReadUInt64BigEndian(source[sizeof(ulong)..]) : 0);

    public void WriteTo(Qcow2Geometry geometry, Span<byte> target)
    {
        BinaryPrimitives.WriteUInt64BigEndian(target, Descriptor);
        if (geometry.ExtendedL2)
        {
            BinaryPrimitives.WriteUInt64BigEndian(target[sizeof(ulong)..], Bitmap);
        }
    }

    public bool IsCompressed => (Descriptor & CompressedFlag) != 0;

    /// <summary>The place is this entry's alone: data may be written there without moving.</summary>
    public bool OwnsPlace => !IsCompressed && (Descriptor & CopiedFlag) != 0;

    /// <summary>Where a standard cluster lies; 0 for nowhere (or, with <see cref="OwnsPlace"/> in an external data file, for its start).</summary>
    public long HostOffset => (long)(Descriptor & OffsetMask);

    /// <summary>Whether the entry has a place, used or reserved.</summary>
    public bool HasPlace => IsCompressed || HostOffset != 0 || OwnsPlace;

    public Qcow2MappingKind KindOf(Qcow2Geometry geometry, int subcluster)
    {
        if (IsCompressed)
        {
            return Qcow2MappingKind.Compressed;
        }

        if (geometry.ExtendedL2)
        {
            return (Bitmap >> (Qcow2Geometry.SubclustersPerExtendedCluster + subcluster) & 1) != 0 ? Qcow2MappingKind.Zero
                : (Bitmap >> subcluster & 1) != 0 ? Qcow2MappingKind.Data
                : Qcow2MappingKind.Unallocated;
        }

        return (Descriptor & ZeroFlag) != 0 ? Qcow2MappingKind.Zero : HasPlace ? Qcow2MappingKind.Data : Qcow2MappingKind.Unallocated;
    }

    /// <summary>The entry after subclusters [first, first + count) were written at <paramref name="host"/>, the rest staying as it is.</summary>
    public L2Entry WithData(Qcow2Geometry geometry, long host, int first, int count)
    {
        ulong mask = Mask(first, count);
        return geometry.ExtendedL2
            ? new((ulong)host | CopiedFlag, (Bitmap | mask) & ~(mask << Qcow2Geometry.SubclustersPerExtendedCluster))
            : Data(geometry, host);
    }

    /// <summary>The entry after subclusters [first, first + count) became zeros; the place stays.</summary>
    public L2Entry WithZeros(Qcow2Geometry geometry, int first, int count)
    {
        ulong mask = Mask(first, count);
        return geometry.ExtendedL2
            ? new(Descriptor, (Bitmap & ~mask) | (mask << Qcow2Geometry.SubclustersPerExtendedCluster))
            : new(Descriptor | ZeroFlag, 0);
    }

    /// <summary>The bytes of a compressed cluster: up to the end of its last sector, of which it may use only a part.</summary>
    public (long Offset, int Length) CompressedPlace(Qcow2Geometry geometry)
    {
        int offsetBits = 62 - (geometry.ClusterBits - 8);
        long offset = (long)(Descriptor & ((1UL << offsetBits) - 1));
        int sectors = (int)(Descriptor >> offsetBits & ((1UL << (62 - offsetBits)) - 1)) + 1;
        return (offset, (sectors * Sector) - (int)(offset & (Sector - 1)));
    }

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2L2EntryInvalid"/>.</exception>
    public void Check(Qcow2Geometry geometry, long guestOffset, int version, bool externalData)
    {
        if (Defect(geometry, guestOffset, version, externalData) is { } defect)
        {
            throw new InvalidImageException(ErrorIds.Qcow2L2EntryInvalid,
                $"The L2 entry 0x{Descriptor:x16} of guest offset {guestOffset} is invalid: {defect}.");
        }
    }

    /// <summary>The rule that the entry breaks, as the end of a sentence; null if it keeps them all.</summary>
    public string? Defect(Qcow2Geometry geometry, long guestOffset, int version, bool externalData) => this switch
    {
        { IsCompressed: true } => externalData ? "it is compressed, which an external data file cannot be" : null,
        _ when !geometry.IsClusterAligned((ulong)HostOffset) => $"its host offset {HostOffset} is not aligned to clusters",
        _ when HostOffset == 0 && OwnsPlace && !externalData => "it is allocated at offset 0",
        _ when HasPlace && externalData && HostOffset != geometry.ClusterStart(guestOffset) =>
            $"its host offset {HostOffset} differs from the guest offset, as an external data file does not allow",
        _ when geometry.ExtendedL2 => DefectOfBitmap(),
        _ when version == 2 && (Descriptor & ZeroFlag) != 0 => "it has the zero flag, which version 2 does not know",
        _ => null,
    };

    private string? DefectOfBitmap()
    {
        ulong allocated = Bitmap & AllAllocated;
        return (allocated & Bitmap >> Qcow2Geometry.SubclustersPerExtendedCluster) != 0 ? "a subcluster is both allocated and zero"
            : allocated != 0 && !HasPlace ? "subclusters are allocated, but the cluster has no place"
            : null;
    }

    private static ulong Mask(int first, int count) => (count >= 64 ? ulong.MaxValue : (1UL << count) - 1) << first;
}
