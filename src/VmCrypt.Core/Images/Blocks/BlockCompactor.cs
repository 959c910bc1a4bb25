using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Images.Blocks;

/// <summary>Makes the file as short as its content: blocks of zeros lose their places, the last blocks move into gaps, the end is cut off.</summary>
/// <remarks>
/// Wants to be alone with the disk, whose content stays what it is. Steps, and what a crash after each leaves:
/// <list type="number">
/// <item>entries of zero blocks are emptied, flushed: each says zero by its data, or by its entry.</item>
/// <item>a block is copied into a gap that no table on disk refers to: the block where it was.</item>
/// <item>the copy is flushed, then its entry is changed (<see cref="BlockTable.PersistAsync"/>): the block at one place or the other, both alike.</item>
/// <item>when nothing on disk refers to the end any more, it is cut off: a longer file with places that leak, or the short one.</item>
/// </list>
/// </remarks>
internal sealed class BlockCompactor(BlockTable table, BlockEngine engine)
{
    private const int CopyBytes = 1024 * 1024;

    private const string Activity = "Compacting";

    private readonly byte[] _buffer = new byte[CopyBytes];

    public static UnsupportedFeatureException RefusesFixed() =>
        new(ErrorIds.CompactUnsupported, "A fixed disk has a place for every block, and gives none back; convert it to a dynamic one.");

    /// <summary>Returns by how many bytes the file has become shorter.</summary>
    public async ValueTask<long> RunAsync(IProgress<JobProgress> progress, CancellationToken cancellationToken)
    {
        long before = table.File.Length;
        await DropZeroBlocksAsync(progress, cancellationToken);
        await ReleaseAsync(cancellationToken);
        long end = await MoveBlocksAsync(progress, cancellationToken);
        await engine.Flusher.FlushAsync(cancellationToken);
        if (table.File.Traits.CanResize)
        {
            await table.TruncateAsync(end, cancellationToken);
        }

        return before - table.File.Length;
    }

    /// <summary>Brings all changes to disk; places that were free become gaps like all others, which nobody else may be given now.</summary>
    public async ValueTask ReleaseAsync(CancellationToken cancellationToken)
    {
        await engine.Flusher.FlushAsync(cancellationToken);
        using MetadataLock.Hold hold = await table.Lock.EnterAsync(cancellationToken);
        table.ForgetFree();
    }

    /// <summary>Cuts the end off that has neither blocks nor tables; moves nothing.</summary>
    public async ValueTask CutAsync(CancellationToken cancellationToken)
    {
        await ReleaseAsync(cancellationToken);
        (List<HostArea> areas, IReadOnlyList<string> defects) = await BlockHostMap.GatherAsync(table, cancellationToken);
        if (defects.Count == 0 && table.File.Traits.CanResize)
        {
            await table.TruncateAsync(areas.Max(area => area.Use == HostUse.Data ? EndOfBlock(area.Offset) : area.End), cancellationToken);
        }
    }

    private async ValueTask DropZeroBlocksAsync(IProgress<JobProgress> progress, CancellationToken cancellationToken)
    {
        for (long block = 0; block < table.BlockCount && table.Zeroed is { } zeroed;)
        {
            BlockEntry entry = await table.FindAsync(block, cancellationToken);
            if (!entry.IsStored)
            {
                block += await table.CountAlikeAsync(block, table.BlockCount - block, cancellationToken);
                continue;
            }

            if (await IsZeroAsync(entry.Offset, table.UsedBytes(block), cancellationToken) && await IsWholeAsync(block, entry, cancellationToken))
            {
                await engine.Flusher.RelieveAsync(cancellationToken);
                using (await table.Lock.EnterAsync(cancellationToken))
                {
                    await table.EmptyAsync(block, zeroed, cancellationToken);
                }
            }

            block++;
            progress.Report(new JobProgress(Activity, block * table.BlockSize, table.DiskSize) { Detail = "looking for zeros" });
        }
    }

    // Sectors that a block in part does not have are the parent's.
    private async ValueTask<bool> IsWholeAsync(long block, BlockEntry entry, CancellationToken cancellationToken)
    {
        int sectors = (table.UsedBytes(block) + table.SectorSize - 1) / table.SectorSize;
        for (int first = 0; entry.Kind == BlockKind.Partial && first < sectors;)
        {
            SectorRun run = await table.FindSectorsAsync(block, entry, new SectorRange(first, sectors - first), cancellationToken);
            if (!run.IsPresent)
            {
                return false;
            }

            first += run.Count;
        }

        return true;
    }

    private async ValueTask<bool> IsZeroAsync(long place, int count, CancellationToken cancellationToken)
    {
        await foreach (Extent extent in StoredAsync(place, count, cancellationToken))
        {
            for (long at = extent.Offset; at < extent.End; at += _buffer.Length)
            {
                Memory<byte> part = _buffer.AsMemory(0, (int)Math.Min(_buffer.Length, extent.End - at));
                await table.File.ReadAsync(at, part, cancellationToken);
                if (part.Span.ContainsAnyExcept((byte)0))
                {
                    return false;
                }
            }
        }

        return true;
    }

    /// <summary>Moves blocks from the end of the file into gaps before them, and returns where the file ends then.</summary>
    private async ValueTask<long> MoveBlocksAsync(IProgress<JobProgress> progress, CancellationToken cancellationToken)
    {
        (List<HostArea> areas, IReadOnlyList<string> defects) = await BlockHostMap.GatherAsync(table, cancellationToken);
        if (defects.Count > 0)
        {
            throw new InvalidImageException(ErrorIds.BlockTablesDamaged, $"The disk's tables are damaged, so none of its blocks is moved. {defects[0]}");
        }

        HostArea[] blocks = [.. areas.Where(area => area.Use == HostUse.Data).OrderByDescending(area => area.Offset)];
        long end = areas.Where(area => area.Use != HostUse.Data).Max(area => area.End);
        var gaps = new BlockGaps(areas.Select(Occupied), table);
        foreach ((int index, HostArea block) in blocks.Index())
        {
            long place = block.Offset;
            if (gaps.TryTake(block.Offset, out long gap))
            {
                await engine.Flusher.RelieveAsync(cancellationToken);
                await CopyAsync(block.Offset, gap, cancellationToken);
                using (await table.Lock.EnterAsync(cancellationToken))
                {
                    await table.MoveAsync(block.Guest / table.BlockSize, gap, cancellationToken);
                }

                place = gap;
            }

            end = Math.Max(end, EndOfBlock(place));
            progress.Report(new JobProgress(Activity, (index + 1L) * table.BlockSize, (long)blocks.Length * table.BlockSize) { Detail = "moving blocks" });
        }

        return end;
    }

    private long EndOfBlock(long place) => Math.Min(place + table.BlockSize, table.File.Length - table.EndBytes);

    // The last block owns all of its place, also what the disk does not reach.
    private HostArea Occupied(HostArea area) => area.Use == HostUse.Data
        ? area with { Offset = area.Offset - table.LeadBytes, Length = table.LeadBytes + table.BlockSize }
        : area;

    private async ValueTask CopyAsync(long from, long to, CancellationToken cancellationToken)
    {
        await table.ClearAsync(to, cancellationToken);
        int lead = table.LeadBytes;
        await foreach (Extent extent in StoredAsync(from - lead, lead + table.BlockSize, cancellationToken))
        {
            for (long at = extent.Offset; at < extent.End; at += _buffer.Length)
            {
                Memory<byte> part = _buffer.AsMemory(0, (int)Math.Min(_buffer.Length, extent.End - at));
                await table.File.ReadAsync(at, part, cancellationToken);
                await table.File.WriteAsync(at - from + to, part, cancellationToken);
            }
        }
    }

    private IAsyncEnumerable<Extent> StoredAsync(long offset, long count, CancellationToken cancellationToken) => table.File
        .ExtentsAsync(offset, Math.Min(count, table.File.Length - offset), cancellationToken)
        .Where(extent => extent.Kind == ExtentKind.Data);
}
