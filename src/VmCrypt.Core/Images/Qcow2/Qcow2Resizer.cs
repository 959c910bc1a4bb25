using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Changes the size of the disk. Nobody else uses it meanwhile.</summary>
/// <remarks>
/// Growing: a larger L1 table, zeros over what would show through, then the size. Shrinking: the clusters go, then the size.
/// A crash before the last step leaves the old size; a shrinking disk may have lost what was to be cut off.
/// </remarks>
internal sealed class Qcow2Resizer(
    ImageTables tables, GuestReader reader, ClusterData data, ClusterAllocator allocator, ClusterEraser eraser, TableFlusher flusher)
{
    private const int Sector = 512;

    private readonly Qcow2Geometry _geometry = tables.Geometry;

    /// <exception cref="RefusedException"><see cref="ErrorIds.Qcow2ResizeRefused"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.Qcow2TooLarge"/>.</exception>
    public async ValueTask ResizeAsync(long length, CancellationToken cancellationToken)
    {
        long old = tables.VirtualSize;
        if (length % Sector != 0)
        {
            throw new InvalidInputException(ErrorIds.Misaligned, $"The disk cannot have {length} bytes; its size must be a multiple of {Sector}.");
        }

        if (tables.Version == 2 && tables.Header.SnapshotCount > 0)
        {
            throw new RefusedException(ErrorIds.Qcow2ResizeRefused,
                "The image has internal snapshots and is of version 2, which does not note their size; delete them or convert to version 3.");
        }

        // A bitmap is as large as its disk, and we do not change it.
        await Qcow2BitmapDirectory.MarkInUseAsync(tables.File, await tables.ReadBitmapsAsync(cancellationToken), cancellationToken);
        if (length >= old)
        {
            await GrowAsync(old, length, cancellationToken);
        }
        else
        {
            await ShrinkAsync(old, length, cancellationToken);
        }
    }

    private async ValueTask GrowAsync(long old, long length, CancellationToken cancellationToken)
    {
        using (await tables.Lock.EnterAsync(cancellationToken))
        {
            await GrowL1Async(length, cancellationToken);
        }

        if (tables.HasExternalData)
        {
            await data.Storage.SetLengthAsync(length, cancellationToken);
        }

        // The last cluster may hold bytes behind the old end; a longer backing file would show through.
        long clusterEnd = Math.Min(length, (old + _geometry.ClusterSize - 1) & -(long)_geometry.ClusterSize);
        long zeroEnd = Math.Max(clusterEnd, Math.Min(length, reader.Backing.Length));
        await eraser.ZeroAsync(old, zeroEnd - old, ZeroFlags.None, cancellationToken);
        await flusher.FlushAsync(cancellationToken);
        await SetSizeAsync(length, cancellationToken);
    }

    private async ValueTask ShrinkAsync(long old, long length, CancellationToken cancellationToken)
    {
        long firstLost = (length + _geometry.ClusterSize - 1) & -(long)_geometry.ClusterSize;
        long end = (old + _geometry.ClusterSize - 1) & -(long)_geometry.ClusterSize;
        await eraser.DropAsync(firstLost, end, cancellationToken);
        using (await tables.Lock.EnterAsync(cancellationToken))
        {
            FreeEmptyTables(_geometry.L1EntriesFor(length), _geometry.L1EntriesFor(old));
        }

        await flusher.FlushAsync(cancellationToken);
        await SetSizeAsync(length, cancellationToken);
        if (tables.HasExternalData)
        {
            await data.Storage.SetLengthAsync(length, cancellationToken);
        }
    }

    private async ValueTask GrowL1Async(long length, CancellationToken cancellationToken)
    {
        long entries = _geometry.L1EntriesFor(length);
        if (entries > Qcow2Limits.MaxL1TableBytes / sizeof(ulong))
        {
            throw new UnsupportedFeatureException(ErrorIds.Qcow2TooLarge,
                $"A disk of {length} bytes needs an L1 table of {entries} entries with clusters of {_geometry.ClusterSize} bytes; " +
                $"at most {Qcow2Limits.MaxL1TableBytes / sizeof(ulong)} are possible.");
        }

        if (entries <= tables.L1.Count)
        {
            return;
        }

        // Fill the clusters that the table takes anyway.
        int clusters = (int)_geometry.ClusterCount(entries * sizeof(ulong));
        int capacity = Math.Min(clusters * (_geometry.ClusterSize / sizeof(ulong)), Qcow2Limits.MaxL1TableBytes / sizeof(ulong));
        HostRun run = await allocator.AllocateTogetherAsync(clusters, cancellationToken);
        var old = new HostRun(tables.L1.Offset >> tables.Geometry.ClusterBits, (int)_geometry.ClusterCount((long)tables.L1.Count * sizeof(ulong)));
        tables.L1.Move(run.First << _geometry.ClusterBits, capacity);
        tables.Header = tables.Header with { L1Offset = (ulong)tables.L1.Offset, L1Entries = (uint)capacity };
        if (old.Count > 0)
        {
            tables.Frees.Add(old);
        }
    }

    private void FreeEmptyTables(long first, long end)
    {
        for (long index = first; index < end; index++)
        {
            long table = (long)(tables.L1[index] & L2Entry.OffsetMask);
            if (table != 0)
            {
                tables.L1.Set(index, 0);
                tables.Cache.Forget(table, _geometry.ClusterSize);
                tables.Frees.Add(new HostRun(table >> _geometry.ClusterBits, 1));
            }
        }
    }

    private async ValueTask SetSizeAsync(long length, CancellationToken cancellationToken)
    {
        using (await tables.Lock.EnterAsync(cancellationToken))
        {
            tables.Header = tables.Header with { VirtualSize = (ulong)length };
        }

        await flusher.FlushAsync(cancellationToken);
    }
}
