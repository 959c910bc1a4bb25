using System.Buffers.Binary;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Vhdx;

/// <summary>What the metadata region says of the disk ([MS-VHDX] 2.6).</summary>
internal sealed record VhdxMetadata
{
    private const uint LeaveBlocksAllocated = 1;
    private const uint HasParentFlag = 2;

    private static readonly Guid s_fileParameters = new("CAA16737-FA36-4D43-B3B6-33F0AA44E76B");
    private static readonly Guid s_virtualDiskSize = new("2FA54224-CD1B-4876-B211-5DBED83BF4B8");
    private static readonly Guid s_virtualDiskId = new("BECA12AB-B2E6-4523-93EF-C309E000C746");
    private static readonly Guid s_logicalSectorSize = new("8141BF1D-A96F-4709-BA47-F233A8FAAB5F");
    private static readonly Guid s_physicalSectorSize = new("CDA348C7-445D-4471-9CC9-E9885251C556");
    private static readonly Guid s_parentLocator = new("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C");

    public required int BlockSize { get; init; }

    /// <summary>The disk is of the fixed kind.</summary>
    public required bool KeepsBlocks { get; init; }

    public required long DiskSize { get; init; }

    /// <summary>What SCSI page 0x83 tells the guest.</summary>
    public required Guid DiskId { get; init; }

    public required int LogicalSectorSize { get; init; }

    public required int PhysicalSectorSize { get; init; }

    /// <summary>Null where the disk has no parent.</summary>
    public VhdxParentLocator? Parent { get; init; }

    /// <summary>Where the disk's size stands, from the start of the region.</summary>
    public int DiskSizeOffset { get; init; }

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.VhdxMetadataInvalid"/>, <see cref="ErrorIds.VhdxBlockSizeInvalid"/>,
    /// <see cref="ErrorIds.VhdxSectorSizeInvalid"/>, <see cref="ErrorIds.VhdxSizeInvalid"/>, <see cref="ErrorIds.VhdxParentLocatorInvalid"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.VhdxMetadataUnsupported"/>, <see cref="ErrorIds.VhdxParentLocatorUnsupported"/>.</exception>
    public static VhdxMetadata Parse(ReadOnlySpan<byte> region)
    {
        VhdxMetadataTable table = VhdxMetadataTable.Parse(region, IsKnown);
        ReadOnlySpan<byte> parameters = table.Item(region, s_fileParameters, 8);
        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(parameters[4..]);
        int logical = SectorSize(table.Item(region, s_logicalSectorSize, 4), "logical");
        return new VhdxMetadata
        {
            BlockSize = BlockSizeOf(parameters),
            KeepsBlocks = (flags & LeaveBlocksAllocated) != 0,
            DiskSize = DiskSizeOf(table.Item(region, s_virtualDiskSize, 8), logical),
            DiskId = new Guid(table.Item(region, s_virtualDiskId, 16)),
            LogicalSectorSize = logical,
            PhysicalSectorSize = SectorSize(table.Item(region, s_physicalSectorSize, 4), "physical"),
            Parent = (flags & HasParentFlag) == 0 ? null : VhdxParentLocator.Parse(table.Item(region, s_parentLocator, null)),
            DiskSizeOffset = table.OffsetOf(s_virtualDiskSize),
        };
    }

    /// <summary>The start of a metadata region that says all this.</summary>
    public byte[] Encode()
    {
        byte[] parameters = new byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(parameters, BlockSize);
        uint flags = (KeepsBlocks ? LeaveBlocksAllocated : 0) | (Parent is null ? 0 : HasParentFlag);
        BinaryPrimitives.WriteUInt32LittleEndian(parameters.AsSpan(4), flags);
        List<(Guid Id, byte[] Value, bool OfDisk)> items =
        [
            (s_fileParameters, parameters, false),
            (s_virtualDiskSize, BitConverter.GetBytes(DiskSize), true),
            (s_virtualDiskId, DiskId.ToByteArray(), true),
            (s_logicalSectorSize, BitConverter.GetBytes(LogicalSectorSize), true),
            (s_physicalSectorSize, BitConverter.GetBytes(PhysicalSectorSize), true),
        ];
        if (Parent is not null)
        {
            items.Add((s_parentLocator, Parent.Encode(), false));
        }

        return VhdxMetadataTable.Encode(items);
    }

    private static bool IsKnown(Guid id) => id == s_fileParameters || id == s_virtualDiskSize || id == s_virtualDiskId
        || id == s_logicalSectorSize || id == s_physicalSectorSize || id == s_parentLocator;

    private static int BlockSizeOf(ReadOnlySpan<byte> parameters)
    {
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(parameters);
        return size is >= VhdxLimits.MinBlockSize and <= VhdxLimits.MaxBlockSize && (size & (size - 1)) == 0
            ? (int)size
            : throw new InvalidImageException(ErrorIds.VhdxBlockSizeInvalid,
                $"The block size is {size} bytes; it must be a power of two from {VhdxLimits.MinBlockSize} to {VhdxLimits.MaxBlockSize}.");
    }

    private static int SectorSize(ReadOnlySpan<byte> item, string which)
    {
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(item);
        return size is 512 or 4096
            ? (int)size
            : throw new InvalidImageException(ErrorIds.VhdxSectorSizeInvalid, $"The {which} sector size is {size} bytes; it must be 512 or 4096.");
    }

    private static long DiskSizeOf(ReadOnlySpan<byte> item, int sectorSize)
    {
        ulong size = BinaryPrimitives.ReadUInt64LittleEndian(item);
        return size <= (ulong)VhdxLimits.MaxDiskSize && size % (ulong)sectorSize == 0
            ? (long)size
            : throw new InvalidImageException(ErrorIds.VhdxSizeInvalid,
                $"The disk has {size} bytes; it must have a multiple of {sectorSize}, at most {VhdxLimits.MaxDiskSize}.");
    }
}
