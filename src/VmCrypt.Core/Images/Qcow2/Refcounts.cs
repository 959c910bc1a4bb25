using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>The reference count of each host cluster, by cluster number; a cluster whose block does not exist counts 0.</summary>
/// <remarks>Used under the metadata lock.</remarks>
internal sealed class Refcounts(ImageTables tables, PointerTable table)
{
    public const ulong BlockOffsetMask = ~0x1FFUL;

    private readonly Qcow2Geometry _geometry = tables.Geometry;

    public PointerTable Table => table;

    /// <summary>The block that counts <paramref name="cluster"/>; 0 if there is none.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2RefcountInvalid"/>.</exception>
    public long BlockOf(long cluster)
    {
        long index = cluster / _geometry.RefcountsPerBlock;
        ulong offset = index < table.Count ? table[index] & BlockOffsetMask : 0;
        if (!_geometry.IsClusterAligned(offset) || offset > (ulong)(tables.File.Length - _geometry.ClusterSize))
        {
            throw new InvalidImageException(ErrorIds.Qcow2RefcountInvalid,
                $"Refcount table entry {index} is 0x{offset:x16}; the refcount block must be aligned to clusters and lie in the file.");
        }

        return (long)offset;
    }

    public async ValueTask<ulong> GetAsync(long cluster, CancellationToken cancellationToken)
    {
        long block = BlockOf(cluster);
        if (block == 0)
        {
            return 0;
        }

        (long pageOffset, int index) = PlaceOf(block, cluster);
        TablePage page = await tables.Cache.GetAsync(pageOffset, TableKind.Refcounts, cancellationToken);
        lock (page.Sync)
        {
            return RefcountEntry.Read(page.Bytes, index, _geometry.RefcountBits);
        }
    }

    /// <summary>Sets a run of clusters whose blocks exist.</summary>
    public async ValueTask SetAsync(long first, long count, ulong value, CancellationToken cancellationToken)
    {
        for (long cluster = first, end = first + count; cluster < end;)
        {
            (long pageOffset, int index) = PlaceOf(BlockOf(cluster), cluster);
            TablePage page = await tables.Cache.GetForChangeAsync(pageOffset, TableKind.Refcounts, cancellationToken);
            lock (page.Sync)
            {
                Span<byte> bytes = page.Change();
                for (; index < PerPage && cluster < end; index++, cluster++)
                {
                    RefcountEntry.Write(bytes, index, _geometry.RefcountBits, value);
                }
            }
        }
    }

    /// <summary>Takes one reference away, and tells how many are left. A cluster that has none is left alone.</summary>
    public async ValueTask<ulong> DecrementAsync(long cluster, CancellationToken cancellationToken)
    {
        ulong count = await GetAsync(cluster, cancellationToken);
        if (count == 0)
        {
            // The tables refer to a cluster that the refcounts call free: nothing to give back.
            return ulong.MaxValue;
        }

        await SetAsync(cluster, 1, count - 1, cancellationToken);
        return count - 1;
    }

    /// <summary>The first run of free clusters at or after <paramref name="cluster"/> in its page; the run's length is 0 if there is none.</summary>
    /// <param name="max">Longest run that is wanted.</param>
    /// <returns>The run, and the first cluster behind the page.</returns>
    public async ValueTask<(long First, int Count, long Next)> FindFreeInPageAsync(long cluster, int max, CancellationToken cancellationToken)
    {
        (long pageOffset, int index) = PlaceOf(BlockOf(cluster), cluster);
        TablePage page = await tables.Cache.GetAsync(pageOffset, TableKind.Refcounts, cancellationToken);
        long next = cluster - index + PerPage;
        lock (page.Sync)
        {
            while (index < PerPage && RefcountEntry.Read(page.Bytes, index, _geometry.RefcountBits) != 0)
            {
                index++;
            }

            int end = index;
            while (end < PerPage && end - index < max && RefcountEntry.Read(page.Bytes, end, _geometry.RefcountBits) == 0)
            {
                end++;
            }

            return (next - PerPage + index, end - index, next);
        }
    }

    private int PerPage => _geometry.PageSize * 8 / _geometry.RefcountBits;

    private (long PageOffset, int Index) PlaceOf(long block, long cluster)
    {
        int inBlock = (int)(cluster % _geometry.RefcountsPerBlock);
        return (block + ((long)(inBlock / PerPage) * _geometry.PageSize), inBlock % PerPage);
    }
}
