namespace VmCrypt.Core.Images.Blocks;

/// <summary>What a table says of a block.</summary>
internal enum BlockKind
{
    /// <summary>Nothing: the parent shows through, or zeros where there is none.</summary>
    Absent,

    /// <summary>Zeros, whatever the parent has.</summary>
    Zero,

    /// <summary>All of it lies in the file.</summary>
    Full,

    /// <summary>The sectors that a bitmap marks lie in the file; the others are absent.</summary>
    Partial,
}

/// <param name="Offset">Where the block's data starts in the file, in bytes; 0 where it has none.</param>
internal readonly record struct BlockEntry(BlockKind Kind, long Offset)
{
    public bool IsStored => Kind is BlockKind.Full or BlockKind.Partial;
}

/// <summary>Sectors of one block that are alike.</summary>
internal readonly record struct SectorRun(bool IsPresent, int Count);

/// <summary>Sectors of one block, counted from its start.</summary>
internal readonly record struct SectorRange(int First, int Count);

/// <summary>The part of a guest range that lies in one block.</summary>
/// <param name="Block">Number of the block.</param>
/// <param name="Start">Byte of the block with which the part starts.</param>
internal readonly record struct BlockPiece(long Block, int Start, int Count)
{
    public static IEnumerable<BlockPiece> Of(long offset, long count, int blockSize)
    {
        for (long end = offset + count; offset < end;)
        {
            int start = (int)(offset & (blockSize - 1));
            int length = (int)Math.Min(blockSize - start, end - offset);
            yield return new BlockPiece(offset / blockSize, start, length);
            offset += length;
        }
    }
}
