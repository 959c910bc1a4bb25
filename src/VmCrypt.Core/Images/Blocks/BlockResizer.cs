using VmCrypt.Core.Block;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Images.Blocks;

/// <summary>Changes the size of the disk: grows it beside reads and writes, shrinks it while nobody uses it.</summary>
/// <remarks>
/// Growing: the table gets room; what stands behind the old end, or would show of the parent, becomes zero; then the new size is
/// written. Shrinking: the blocks go, then the size. A crash before the size is written leaves the old one; a shrinking disk may have
/// lost what was to be cut off.
/// </remarks>
internal abstract class BlockResizer(BlockTable table, BackingLayer backing, BlockEngine engine)
{
    public async ValueTask ResizeAsync(long length, CancellationToken cancellationToken)
    {
        Check(length);
        long old = table.DiskSize;
        if (length >= old)
        {
            await GrowAsync(old, length, cancellationToken);
            return;
        }

        await engine.Eraser.DropAsync((length + table.BlockSize - 1) / table.BlockSize, table.BlockCount, cancellationToken);
        await engine.Flusher.FlushAsync(cancellationToken);
        await CommitSizeAsync(length, cancellationToken);
        table.DiskSize = length;
    }

    /// <summary>Throws unless the disk can have that many bytes.</summary>
    protected abstract void Check(long length);

    /// <summary>Sees to it that the table has an entry for every block, in one step that a crash cannot halve; nobody changes it meanwhile.</summary>
    protected abstract ValueTask MakeRoomAsync(long length, CancellationToken cancellationToken);

    /// <summary>Writes the size, in one step that a crash cannot halve. All else is on disk.</summary>
    protected abstract ValueTask CommitSizeAsync(long length, CancellationToken cancellationToken);

    private async ValueTask GrowAsync(long old, long length, CancellationToken cancellationToken)
    {
        await CompleteLastBlockAsync(old, cancellationToken);
        await engine.Flusher.RunQuietAsync(() => MakeRoomAsync(length, cancellationToken), cancellationToken);
        await ForgetOldEntriesAsync(old, length, cancellationToken);
        table.DiskSize = length;
        try
        {
            long shown = Math.Clamp(backing.Length, old, length) - old;
            long count = (shown + table.SectorSize - 1) & -table.SectorSize;
            await engine.Eraser.ZeroAsync(old, count, ZeroFlags.None, cancellationToken);
            await (table.KeepsBlocks ? StoreAllAsync(old, cancellationToken) : ValueTask.CompletedTask);
            await engine.Flusher.FlushAsync(cancellationToken);
            await CommitSizeAsync(length, cancellationToken);
        }
        catch
        {
            table.DiskSize = old;
            throw;
        }
    }

    // The last block may hold bytes behind the old end, or end with the file before it is whole.
    private async ValueTask CompleteLastBlockAsync(long old, CancellationToken cancellationToken)
    {
        BlockEntry last = old % table.BlockSize == 0 ? default : await table.FindAsync(old / table.BlockSize, cancellationToken);
        if (last.IsStored)
        {
            if (table.File.Length < last.Offset + table.BlockSize)
            {
                await table.File.SetLengthAsync(last.Offset + table.BlockSize, cancellationToken);
            }

            long tail = old % table.BlockSize;
            await table.File.ZeroAsync(last.Offset + tail, table.BlockSize - tail, ZeroFlags.None, cancellationToken);
        }
    }

    // Nobody promises that the table is empty behind its last entry.
    private async ValueTask ForgetOldEntriesAsync(long old, long length, CancellationToken cancellationToken)
    {
        long end = table.EntriesFor(length);
        for (long index = table.EntriesFor(old); index < end;)
        {
            await engine.Flusher.RelieveAsync(cancellationToken);
            using MetadataLock.Hold hold = await table.Lock.EnterAsync(cancellationToken);
            index += await table.ForgetEntriesAsync(index, end - index, cancellationToken);
        }
    }

    // A fixed disk has a place for every block; storage comes to it as it is written.
    private async ValueTask StoreAllAsync(long old, CancellationToken cancellationToken)
    {
        for (long block = old / table.BlockSize; block < table.BlockCount; block++)
        {
            await engine.Flusher.RelieveAsync(cancellationToken);
            if (!(await table.FindAsync(block, cancellationToken)).IsStored)
            {
                await engine.Writer.StoreAsync(new BlockPiece(block, 0, table.BlockSize), _ => ValueTask.CompletedTask, cancellationToken);
            }
        }
    }
}
