using System.Buffers.Binary;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Blocks;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Images.Vhdx;

/// <summary>Changes the size of the disk: grows it beside reads and writes, shrinks it while nobody uses it.</summary>
/// <remarks>
/// Growing: the table gets room (a longer copy at the end of the file, which one log entry puts in the old one's place); what stands
/// behind the old end, or would show of the parent, becomes zero; one log entry names the new size. Shrinking: the blocks go, then
/// the size. A crash before the last entry leaves the old size; a shrinking disk may have lost what was to be cut off.
/// </remarks>
internal sealed class VhdxResizer(VhdxLayout layout, VhdxTable table, VhdxLog log, BackingLayer backing, BlockEngine engine)
{
    private const int CopyBytes = 1024 * 1024;

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.VhdxSizeInvalid"/>.</exception>
    public async ValueTask ResizeAsync(long length, CancellationToken cancellationToken)
    {
        if (length > VhdxLimits.MaxDiskSize || length % layout.Metadata.LogicalSectorSize != 0)
        {
            throw new InvalidInputException(ErrorIds.VhdxSizeInvalid,
                $"The disk cannot have {length} bytes, but a multiple of {layout.Metadata.LogicalSectorSize}, at most {VhdxLimits.MaxDiskSize}.");
        }

        long old = table.DiskSize;
        if (length >= old)
        {
            await GrowAsync(old, length, cancellationToken);
            return;
        }

        await engine.Eraser.DropAsync((length + table.BlockSize - 1) / table.BlockSize, table.BlockCount, cancellationToken);
        await engine.Flusher.FlushAsync(cancellationToken);
        await CommitAsync(await SizeAsync(length, cancellationToken), cancellationToken);
        table.Resized(length, table.Regions);
    }

    private async ValueTask GrowAsync(long old, long length, CancellationToken cancellationToken)
    {
        await CompleteLastBlockAsync(old, cancellationToken);
        await engine.Flusher.RunQuietAsync(() => MakeRoomAsync(length, cancellationToken), cancellationToken);
        await ForgetOldEntriesAsync(old, length, cancellationToken);
        table.Resized(length, table.Regions);
        try
        {
            long shown = Math.Clamp(backing.Length, old, length) - old;
            long count = (shown + table.SectorSize - 1) & -table.SectorSize;
            await engine.Eraser.ZeroAsync(old, count, ZeroFlags.None, cancellationToken);
            await (table.KeepsBlocks ? StoreAllAsync(old, cancellationToken) : ValueTask.CompletedTask);
            await engine.Flusher.FlushAsync(cancellationToken);
            await CommitAsync(await SizeAsync(length, cancellationToken), cancellationToken);
        }
        catch
        {
            table.Resized(old, table.Regions);
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

    /// <summary>Sees to it that the table has an entry for every block; nobody changes it meanwhile.</summary>
    private async ValueTask MakeRoomAsync(long length, CancellationToken cancellationToken)
    {
        long needed = table.Geometry.BatEntries(length) * sizeof(ulong);
        VhdxRegion bat = table.Bat;
        if (needed <= bat.Length)
        {
            return;
        }

        long bytes = (needed + VhdxLimits.Alignment - 1) & -(long)VhdxLimits.Alignment;
        long place = await table.GrowAsync(bytes, cancellationToken);
        byte[] buffer = new byte[CopyBytes];
        for (long at = 0; at < bat.Length; at += buffer.Length)
        {
            await table.File.ReadAsync(bat.Offset + at, buffer, cancellationToken);
            await table.File.WriteAsync(place + at, buffer, cancellationToken);
        }

        VhdxRegion[] regions = [.. table.Regions.Select(region => region == bat ? bat with { Offset = place, Length = bytes } : region)];
        byte[] encoded = VhdxRegionTable.Encode(regions);
        await CommitAsync([.. Sectors(VhdxRegionTable.FirstOffset, encoded), .. Sectors(VhdxRegionTable.SecondOffset, encoded)], cancellationToken);
        table.Resized(table.DiskSize, regions);
    }

    // Nobody promises that the table is zero behind its last entry.
    private async ValueTask ForgetOldEntriesAsync(long old, long length, CancellationToken cancellationToken)
    {
        long end = table.Geometry.BatEntries(length);
        for (long index = table.Geometry.BatEntries(old); index < end;)
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

    private ValueTask CommitAsync(IReadOnlyList<MetadataWrite> sectors, CancellationToken cancellationToken) =>
        log.CommitAsync(sectors, cancellationToken);

    /// <summary>The sectors that hold the disk's size, with it changed.</summary>
    private async ValueTask<List<MetadataWrite>> SizeAsync(long length, CancellationToken cancellationToken)
    {
        long offset = layout.MetadataRegion.Offset + layout.Metadata.DiskSizeOffset;
        long start = offset & -VhdxLimits.Sector;
        byte[] around = new byte[((offset + sizeof(long) + VhdxLimits.Sector - 1) & -VhdxLimits.Sector) - start];
        await table.File.ReadAsync(start, around, cancellationToken);
        BinaryPrimitives.WriteInt64LittleEndian(around.AsSpan((int)(offset - start)), length);
        return Sectors(start, around);
    }

    private static List<MetadataWrite> Sectors(long offset, byte[] bytes) =>
        [.. bytes.Chunk(VhdxLimits.Sector).Select((sector, i) => new MetadataWrite(offset + ((long)i * VhdxLimits.Sector), sector))];
}
