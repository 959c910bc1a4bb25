using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Hands out free clusters of the file, and makes refcount blocks and a larger refcount table where they are needed.</summary>
/// <remarks>
/// Used under the metadata lock. Nothing is written here: new blocks and tables reach the disk by <see cref="TableFlusher"/>,
/// before anything that points to them. A crash before that leaves the file longer, no more.
/// </remarks>
internal sealed class ClusterAllocator(ImageTables tables, Refcounts refcounts)
{
    private readonly Qcow2Geometry _geometry = tables.Geometry;

    // No cluster before this one is known to be free.
    private long _next = tables.FirstPlace;

    /// <summary>Between 1 and <paramref name="max"/> neighbouring clusters, counted once from now on. Their content is undefined.</summary>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.DiskFull"/>.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2ClusterOverlapsMetadata"/>, <see cref="ErrorIds.Qcow2RefcountInvalid"/>.</exception>
    public async ValueTask<HostRun> AllocateAsync(int max, CancellationToken cancellationToken)
    {
        HostRun run = await FindAsync(1, max, cancellationToken);
        await ClaimAsync(run, cancellationToken);
        _next = run.First + run.Count;
        return run;
    }

    /// <summary>Exactly <paramref name="count"/> neighbouring clusters, for a table.</summary>
    public async ValueTask<HostRun> AllocateTogetherAsync(int count, CancellationToken cancellationToken)
    {
        // A new refcount block takes the first cluster that it counts, so no longer run can be found between two of them.
        if (count >= _geometry.RefcountsPerBlock / 2)
        {
            return await ExtendAsync(count, cancellationToken);
        }

        HostRun run = await FindAsync(count, count, cancellationToken);
        await ClaimAsync(run, cancellationToken);
        return run;
    }

    /// <summary>Makes the refcount table so large that the file can grow by so many bytes before it moves again.</summary>
    public async ValueTask WidenAsync(long growth, CancellationToken cancellationToken)
    {
        while ((long)refcounts.Table.Count * _geometry.RefcountsPerBlock < _geometry.ClusterCount(tables.File.Length + growth))
        {
            await ExtendAsync(0, cancellationToken);
        }
    }

    /// <summary>Takes back clusters to which nothing was ever made to point.</summary>
    public async ValueTask GiveBackAsync(HostRun run)
    {
        await refcounts.SetAsync(run.First, run.Count, 0, CancellationToken.None);
        Return(run.First);
    }

    /// <summary>The clusters have become free: the next search looks at them.</summary>
    public void Return(long first) => _next = Math.Min(_next, Math.Max(first, tables.FirstPlace));

    private async ValueTask<HostRun> FindAsync(int min, int max, CancellationToken cancellationToken)
    {
        var found = new HostRun(_next, 0);
        for (long cluster = _next; ;)
        {
            if (cluster / _geometry.RefcountsPerBlock >= refcounts.Table.Count)
            {
                await ExtendAsync(0, cancellationToken);
            }

            if (refcounts.BlockOf(cluster) == 0)
            {
                cluster = await AddBlockAsync(cluster / _geometry.RefcountsPerBlock, cancellationToken);
                found = new HostRun(cluster, 0);
            }

            (long first, int count, long next) = await refcounts.FindFreeInPageAsync(cluster, max - found.Count, cancellationToken);
            found = first == found.First + found.Count ? found with { Count = found.Count + count } : new HostRun(first, count);
            if (found.Count >= min)
            {
                return found;
            }

            // Behind a run that was too short the same page may hold another.
            cluster = first + count < next ? first + count : next;
        }
    }

    private async ValueTask ClaimAsync(HostRun run, CancellationToken cancellationToken)
    {
        long end = await ReserveAsync(run.First, run.Count, cancellationToken);
        if (end > Qcow2Limits.MaxHostOffset)
        {
            throw TooLarge();
        }

        await refcounts.SetAsync(run.First, run.Count, 1, cancellationToken);
    }

    /// <summary>Makes a missing block in the first cluster that it counts, which must be free as all of them are.</summary>
    /// <returns>That cluster.</returns>
    private async ValueTask<long> AddBlockAsync(long block, CancellationToken cancellationToken)
    {
        long cluster = block * _geometry.RefcountsPerBlock;
        await ReserveAsync(cluster, 1, cancellationToken);
        PlaceBlock(block, cluster);
        await refcounts.SetAsync(cluster, 1, 1, cancellationToken);
        return cluster;
    }

    private void PlaceBlock(long block, long cluster)
    {
        long offset = cluster << _geometry.ClusterBits;
        tables.Cache.Create(offset, _geometry.ClusterSize, TableKind.Refcounts);
        refcounts.Table.Set(block, (ulong)offset);
    }

    /// <summary>
    /// Behind everything that any refcount block counts: new blocks, then a larger refcount table if the old one has no room
    /// for them, then <paramref name="count"/> clusters for the caller; all counted by the new blocks.
    /// </summary>
    private async ValueTask<HostRun> ExtendAsync(int count, CancellationToken cancellationToken)
    {
        long firstBlock = refcounts.Table.Count;
        while (firstBlock > 0 && refcounts.Table[firstBlock - 1] == 0)
        {
            firstBlock--;
        }

        bool grows = count == 0;
        (int blocks, int tableClusters) = Plan(firstBlock, count, grows);
        if (tableClusters > 0 && tables.HeaderStays)
        {
            throw new DeviceFaultException(ErrorIds.DiskFull,
                "The image's refcount table is full, and cannot move while the image is converted in its place; the disk has room again when that is done.");
        }

        long start = firstBlock * _geometry.RefcountsPerBlock;
        await ReserveAsync(start, blocks + tableClusters + count, cancellationToken);
        HostRun oldTable = TableRun();
        if (tableClusters > 0)
        {
            long offset = (start + blocks) << _geometry.ClusterBits;
            refcounts.Table.Move(offset, tableClusters * (_geometry.ClusterSize / sizeof(ulong)));
            tables.Header = tables.Header with { RefcountTableOffset = (ulong)offset, RefcountTableClusters = (uint)tableClusters };
        }

        for (int i = 0; i < blocks; i++)
        {
            PlaceBlock(firstBlock + i, start + i);
        }

        await refcounts.SetAsync(start, blocks + tableClusters + count, 1, cancellationToken);
        if (tableClusters > 0)
        {
            tables.Frees.Add(oldTable);
        }

        return new HostRun(start + blocks + tableClusters, count);
    }

    /// <summary>How many blocks and table clusters it takes so that the blocks count themselves, the table and the caller's clusters.</summary>
    private (int Blocks, int TableClusters) Plan(long firstBlock, int count, bool grows)
    {
        int entriesPerCluster = _geometry.ClusterSize / sizeof(ulong);
        int blocks = 1;
        int tableClusters = 0;
        while (true)
        {
            long neededEntries = firstBlock + blocks;
            if (grows || neededEntries > refcounts.Table.Count)
            {
                // Doubling keeps the number of moves small.
                long entries = Math.Max(neededEntries, 2L * refcounts.Table.Count);
                tableClusters = (int)Math.Min(int.MaxValue, (entries + entriesPerCluster - 1) / entriesPerCluster);
            }

            if ((long)tableClusters << _geometry.ClusterBits > Qcow2Limits.MaxRefcountTableBytes)
            {
                throw TooLarge();
            }

            int needed = (blocks + tableClusters + count + _geometry.RefcountsPerBlock - 1) / _geometry.RefcountsPerBlock;
            if (needed <= blocks)
            {
                return (blocks, tableClusters);
            }

            blocks = needed;
        }
    }

    private HostRun TableRun() =>
        new((long)tables.Header.RefcountTableOffset >> _geometry.ClusterBits, (int)tables.Header.RefcountTableClusters);

    /// <summary>Checks that no area of the header is there, and makes the file long enough.</summary>
    /// <returns>The end of the run in bytes.</returns>
    private async ValueTask<long> ReserveAsync(long first, int count, CancellationToken cancellationToken)
    {
        long offset = first << _geometry.ClusterBits;
        long end = offset + ((long)count << _geometry.ClusterBits);
        tables.FixedAreas.CheckFree(offset, end - offset);
        if (end > tables.File.Length)
        {
            if (!tables.File.Traits.CanResize)
            {
                throw new DeviceFaultException(ErrorIds.DiskFull,
                    $"The image needs {end} bytes, but the device that holds it has {tables.File.Length} and cannot grow.");
            }

            await tables.File.SetLengthAsync(end, cancellationToken);
        }

        return end;
    }

    private static UnsupportedFeatureException TooLarge() => new(ErrorIds.Qcow2TooLarge,
        "The image file cannot grow any further with this cluster size and refcount width.");
}
