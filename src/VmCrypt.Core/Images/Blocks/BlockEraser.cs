using VmCrypt.Core.Block;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Images.Blocks;

/// <summary>Zeroes and trims: whole blocks in the tables, parts of blocks in the file.</summary>
internal sealed class BlockEraser(BlockTable table, BackingLayer backing, BlockWriter writer, BlockFlusher flusher, GuestRangeLock blocks)
{
    public async ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        foreach (BlockPiece piece in BlockPiece.Of(offset, count, table.BlockSize))
        {
            await flusher.RelieveAsync(cancellationToken);
            using GuestRangeLock.Hold hold = await blocks.EnterAsync(piece.Block, piece.Block, cancellationToken);
            using GracePeriod.Visit visit = table.Grace.Enter();
            BlockEntry entry = await table.FindAsync(piece.Block, cancellationToken);
            if (entry.IsStored)
            {
                await ZeroStoredAsync(piece, entry, flags, cancellationToken);
            }
            else
            {
                await ZeroEmptyAsync(piece, entry, flags, cancellationToken);
            }
        }
    }

    public async ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        foreach (BlockPiece piece in BlockPiece.Of(offset, count, table.BlockSize))
        {
            await flusher.RelieveAsync(cancellationToken);
            using GuestRangeLock.Hold hold = await blocks.EnterAsync(piece.Block, piece.Block, cancellationToken);
            using GracePeriod.Visit visit = table.Grace.Enter();
            BlockEntry entry = await table.FindAsync(piece.Block, cancellationToken);
            if (IsWhole(piece) && !table.KeepsBlocks && table.Trimmed is { } trimmed)
            {
                await EmptyAsync(piece.Block, entry, trimmed, cancellationToken);
            }
            else if (entry.IsStored && table.File.Traits.CanTrim)
            {
                await table.File.TrimAsync(entry.Offset + piece.Start, piece.Count, cancellationToken);
            }
        }
    }

    /// <summary>Takes the places of the blocks [first, end); what they say then is <see cref="BlockKind.Absent"/>.</summary>
    public async ValueTask DropAsync(long first, long end, CancellationToken cancellationToken)
    {
        for (long block = first; block < end;)
        {
            await flusher.RelieveAsync(cancellationToken);
            BlockEntry entry = await table.FindAsync(block, cancellationToken);
            if (entry.Kind == BlockKind.Absent)
            {
                block += await table.CountAlikeAsync(block, end - block, cancellationToken);
                continue;
            }

            using (await table.Lock.EnterAsync(cancellationToken))
            {
                await table.EmptyAsync(block, BlockKind.Absent, cancellationToken);
            }

            block++;
        }
    }

    private async ValueTask ZeroStoredAsync(BlockPiece piece, BlockEntry entry, ZeroFlags flags, CancellationToken cancellationToken)
    {
        bool keep = flags.HasFlag(ZeroFlags.KeepAllocated) || table.KeepsBlocks;
        if (IsWhole(piece) && !keep && table.Zeroed is { } zeroed)
        {
            await EmptyAsync(piece.Block, entry, zeroed, cancellationToken);
            return;
        }

        await table.File.ZeroAsync(entry.Offset + piece.Start, piece.Count, flags, cancellationToken);
        if (entry.Kind == BlockKind.Partial)
        {
            await writer.MarkAsync(piece, entry.Offset, cancellationToken);
        }
    }

    private async ValueTask ZeroEmptyAsync(BlockPiece piece, BlockEntry entry, ZeroFlags flags, CancellationToken cancellationToken)
    {
        bool keep = flags.HasFlag(ZeroFlags.KeepAllocated);
        bool shows = entry.Kind == BlockKind.Absent && backing.Length > (piece.Block * table.BlockSize) + piece.Start;
        if (shows && !keep && IsWhole(piece) && table.Zeroed is { } zeroed)
        {
            await EmptyAsync(piece.Block, entry, zeroed, cancellationToken);
        }
        else if (shows || keep)
        {
            // A new place reads as zeros already.
            await writer.StoreAsync(
                piece,
                place => keep ? table.File.ZeroAsync(place, piece.Count, flags, cancellationToken) : ValueTask.CompletedTask,
                cancellationToken);
        }
    }

    private async ValueTask EmptyAsync(long block, BlockEntry entry, BlockKind kind, CancellationToken cancellationToken)
    {
        // Absent already says what trimming wants to say, unless the parent shows.
        if (entry.Kind == kind || (entry.Kind == BlockKind.Zero && kind == BlockKind.Absent))
        {
            return;
        }

        using (await table.Lock.EnterAsync(cancellationToken))
        {
            await table.EmptyAsync(block, kind, cancellationToken);
        }
    }

    private bool IsWhole(BlockPiece piece) => piece.Start == 0 && piece.Count >= table.UsedBytes(piece.Block);
}
