using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Images.Blocks;

/// <summary>Writes guest data: in place where the block has one, else into a new place that the tables learn of afterwards.</summary>
internal sealed class BlockWriter(BlockTable table, BackingLayer backing, BlockFlusher flusher, GuestRangeLock blocks)
{
    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        foreach (BlockPiece piece in BlockPiece.Of(offset, buffer.Length, table.BlockSize))
        {
            ReadOnlyMemory<byte> part = buffer[..piece.Count];
            await flusher.RelieveAsync(cancellationToken);
            if (!await TryWriteInPlaceAsync(piece, part, cancellationToken))
            {
                await WriteNewAsync(piece, part, cancellationToken);
            }

            buffer = buffer[piece.Count..];
        }
    }

    /// <summary>Gives the block a place and its first bytes, which <paramref name="fill"/> writes there; the caller holds the block.</summary>
    /// <param name="fill">Gets the file's offset of the piece.</param>
    public async ValueTask StoreAsync(BlockPiece piece, Func<long, ValueTask> fill, CancellationToken cancellationToken)
    {
        long place;
        using (await table.Lock.EnterAsync(cancellationToken))
        {
            place = table.Space.TryTake(out long free) ? free : await table.GrowAsync(cancellationToken);
        }

        bool shows = backing.Length > piece.Block * table.BlockSize
            && (await table.FindAsync(piece.Block, cancellationToken)).Kind == BlockKind.Absent
            && piece.Count < table.UsedBytes(piece.Block);
        await fill(place + piece.Start);
        using (await table.Lock.EnterAsync(cancellationToken))
        {
            await table.StoreAsync(piece.Block, place, shows ? SectorsOf(piece) : null, cancellationToken);
        }
    }

    /// <summary>Says that the piece of a partial block has been written at its place.</summary>
    public async ValueTask MarkAsync(BlockPiece piece, long place, CancellationToken cancellationToken)
    {
        SectorRange range = SectorsOf(piece);
        if (await IsMarkedAsync(piece.Block, new BlockEntry(BlockKind.Partial, place), range, cancellationToken))
        {
            return;
        }

        using (await table.Lock.EnterAsync(cancellationToken))
        {
            await table.MarkAsync(piece.Block, place, range, cancellationToken);
        }
    }

    private async ValueTask<bool> TryWriteInPlaceAsync(BlockPiece piece, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        using GracePeriod.Visit visit = table.Grace.Enter();
        BlockEntry entry = await table.FindAsync(piece.Block, cancellationToken);
        if (!entry.IsStored)
        {
            return false;
        }

        await table.File.WriteAsync(entry.Offset + piece.Start, buffer, cancellationToken);
        if (entry.Kind == BlockKind.Partial)
        {
            await MarkAsync(piece, entry.Offset, cancellationToken);
        }

        return true;
    }

    private async ValueTask WriteNewAsync(BlockPiece piece, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        using GuestRangeLock.Hold hold = await blocks.EnterAsync(piece.Block, piece.Block, cancellationToken);
        // Whoever held the block before may have given it a place.
        if (!await TryWriteInPlaceAsync(piece, buffer, cancellationToken))
        {
            await StoreAsync(piece, place => table.File.WriteAsync(place, buffer, cancellationToken), cancellationToken);
        }
    }

    private async ValueTask<bool> IsMarkedAsync(long block, BlockEntry entry, SectorRange range, CancellationToken cancellationToken)
    {
        while (range.Count > 0)
        {
            SectorRun run = await table.FindSectorsAsync(block, entry, range, cancellationToken);
            if (!run.IsPresent)
            {
                return false;
            }

            range = new SectorRange(range.First + run.Count, range.Count - run.Count);
        }

        return true;
    }

    private SectorRange SectorsOf(BlockPiece piece) => new(piece.Start / table.SectorSize, piece.Count / table.SectorSize);
}
