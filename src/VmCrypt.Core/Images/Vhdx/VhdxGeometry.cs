namespace VmCrypt.Core.Images.Vhdx;

/// <summary>Where in the block allocation table a block has its entry.</summary>
/// <remarks>Behind the entries of <see cref="ChunkRatio"/> blocks stands the entry of the sector bitmap that speaks of them.</remarks>
/// <param name="BlockSize">Bytes.</param>
/// <param name="SectorSize">Bytes of a logical sector.</param>
/// <param name="HasParent">The table ends with the bitmap of its last chunk, not with its last block.</param>
internal readonly record struct VhdxGeometry(int BlockSize, int SectorSize, bool HasParent)
{
    public static VhdxGeometry Of(VhdxMetadata metadata) => new(metadata.BlockSize, metadata.LogicalSectorSize, metadata.Parent is not null);

    public long ChunkRatio => VhdxLimits.SectorsPerBitmap * SectorSize / BlockSize;

    public int SectorsPerBlock => BlockSize / SectorSize;

    public long BlockIndex(long block) => block + (block / ChunkRatio);

    /// <summary>The entry of the sector bitmap that speaks of the block.</summary>
    public long BitmapIndex(long block) => ((block / ChunkRatio) * (ChunkRatio + 1)) + ChunkRatio;

    public long BatEntries(long diskSize)
    {
        long blocks = (diskSize + BlockSize - 1) / BlockSize;
        return blocks == 0 ? 0
            : HasParent ? (blocks + ChunkRatio - 1) / ChunkRatio * (ChunkRatio + 1)
            : BlockIndex(blocks - 1) + 1;
    }
}
