using System.Runtime.CompilerServices;
using VmCrypt.Core.Block;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Images.Blocks;

/// <summary>Reads the guest's view: blocks of the file, zeros, and the parent where there is nothing.</summary>
internal sealed class BlockReader(BlockTable table, BackingLayer backing)
{
    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        using GracePeriod.Visit visit = table.Grace.Enter();
        foreach (BlockPiece piece in BlockPiece.Of(offset, buffer.Length, table.BlockSize))
        {
            Memory<byte> part = buffer[..piece.Count];
            BlockEntry entry = await table.FindAsync(piece.Block, cancellationToken);
            switch (entry.Kind)
            {
                case BlockKind.Full:
                    await table.File.ReadAsync(entry.Offset + piece.Start, part, cancellationToken);
                    break;
                case BlockKind.Partial:
                    await ReadPartialAsync(piece, entry, part, cancellationToken);
                    break;
                case BlockKind.Zero:
                    part.Span.Clear();
                    break;
                default:
                    await backing.ReadAsync(piece.Block * table.BlockSize + piece.Start, part, cancellationToken);
                    break;
            }

            buffer = buffer[piece.Count..];
        }
    }

    /// <summary>What the range is for somebody who sees only this disk.</summary>
    public async IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (long end = offset + count; offset < end;)
        {
            long block = offset / table.BlockSize;
            BlockEntry entry = await table.FindAsync(block, cancellationToken);
            long alike = entry.IsStored ? 1 : await table.CountAlikeAsync(block, table.BlockCount - block, cancellationToken);
            long next = Math.Min(end, checked((block + alike) * table.BlockSize));
            IAsyncEnumerable<Extent> extents = entry.Kind switch
            {
                BlockKind.Full => StoredAsync(offset, next - offset, entry.Offset + (offset % table.BlockSize), cancellationToken),
                BlockKind.Partial => PartialAsync(offset, next - offset, entry, cancellationToken),
                BlockKind.Zero => new[] { new Extent(offset, next - offset, ExtentKind.Zero) }.ToAsyncEnumerable(),
                _ => AbsentAsync(offset, next - offset, cancellationToken),
            };
            await foreach (Extent extent in extents)
            {
                yield return extent;
            }

            offset = next;
        }
    }

    private async ValueTask ReadPartialAsync(BlockPiece piece, BlockEntry entry, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        long blockStart = piece.Block * table.BlockSize;
        for (int at = piece.Start; !buffer.IsEmpty;)
        {
            SectorRun run = await RunAsync(piece.Block, entry, at, buffer.Length, cancellationToken);
            Memory<byte> part = buffer[..(run.Count * table.SectorSize)];
            if (run.IsPresent)
            {
                await table.File.ReadAsync(entry.Offset + at, part, cancellationToken);
            }
            else
            {
                await backing.ReadAsync(blockStart + at, part, cancellationToken);
            }

            at += part.Length;
            buffer = buffer[part.Length..];
        }
    }

    // A fixed disk in a sparse file: what the file has not stored need not be read by those who copy.
    private async IAsyncEnumerable<Extent> StoredAsync(
        long offset, long count, long place, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (Extent extent in table.File.ExtentsAsync(place, count, cancellationToken))
        {
            ExtentKind kind = extent.Kind == ExtentKind.Data ? ExtentKind.Data : ExtentKind.Zero;
            yield return new Extent(extent.Offset - place + offset, extent.Length, kind);
        }
    }

    private async IAsyncEnumerable<Extent> PartialAsync(
        long offset, long count, BlockEntry entry, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long block = offset / table.BlockSize;
        for (long end = offset + count; offset < end;)
        {
            // A caller may ask for less than a sector.
            int inBlock = (int)(offset % table.BlockSize);
            int sectorStart = inBlock & -table.SectorSize;
            int wanted = (int)(end - offset) + inBlock - sectorStart;
            SectorRun run = await RunAsync(block, entry, sectorStart, (wanted + table.SectorSize - 1) & -table.SectorSize, cancellationToken);
            long next = Math.Min(end, (block * table.BlockSize) + sectorStart + ((long)run.Count * table.SectorSize));
            IAsyncEnumerable<Extent> extents = run.IsPresent
                ? StoredAsync(offset, next - offset, entry.Offset + inBlock, cancellationToken)
                : AbsentAsync(offset, next - offset, cancellationToken);
            await foreach (Extent extent in extents)
            {
                yield return extent;
            }

            offset = next;
        }
    }

    private async IAsyncEnumerable<Extent> AbsentAsync(long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long shown = Math.Clamp(backing.Length - offset, 0, count);
        await foreach (Extent extent in backing.ExtentsAsync(offset, shown, cancellationToken))
        {
            yield return extent;
        }

        if (shown < count)
        {
            yield return new Extent(offset + shown, count - shown, ExtentKind.Hole);
        }
    }

    private ValueTask<SectorRun> RunAsync(long block, BlockEntry entry, int start, int bytes, CancellationToken cancellationToken) =>
        table.FindSectorsAsync(block, entry, new SectorRange(start / table.SectorSize, bytes / table.SectorSize), cancellationToken);
}
