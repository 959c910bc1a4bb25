namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Changes L2 entries of the active disk, making or unsharing L2 tables where needed. Used under the metadata lock.</summary>
internal sealed class L2Editor(ImageTables tables, ClusterMap map, ClusterAllocator allocator)
{
    private readonly Qcow2Geometry _geometry = tables.Geometry;

    /// <summary>Replaces the entries of <paramref name="count"/> guest clusters; the places that the old ones lose are freed in due time.</summary>
    /// <param name="offset">Guest offset of the first cluster.</param>
    /// <param name="count">Clusters; all of their entries are in one page, see <see cref="ClusterMap.PageEnd"/>.</param>
    /// <param name="change">New entry from a cluster's guest offset and its old entry.</param>
    /// <param name="cancellationToken">Looked at before the first change only.</param>
    public async ValueTask ChangeAsync(long offset, int count, Func<long, L2Entry, L2Entry> change, CancellationToken cancellationToken)
    {
        TablePage page = await PageForChangeAsync(offset, cancellationToken);
        (_, int at) = map.PlaceOfEntry(map.L2TableAt(offset), offset);
        lock (page.Sync)
        {
            Span<byte> bytes = page.Change();
            for (int i = 0; i < count; i++, at += _geometry.L2EntrySize)
            {
                L2Entry old = L2Entry.Parse(_geometry, bytes[at..]);
                L2Entry changed = change(offset + ((long)i << _geometry.ClusterBits), old);
                if (changed != old)
                {
                    changed.WriteTo(_geometry, bytes[at..]);
                    FreeLostPlace(old, changed);
                }
            }
        }
    }

    private async ValueTask<TablePage> PageForChangeAsync(long offset, CancellationToken cancellationToken)
    {
        long table = map.L2TableAt(offset);
        long index = _geometry.L1Index(offset);
        if (table == 0)
        {
            table = await NewTableAsync(index, cancellationToken);
        }
        else if ((tables.L1[index] & L2Entry.CopiedFlag) == 0)
        {
            table = await UnshareTableAsync(index, table, cancellationToken);
        }

        return await tables.Cache.GetForChangeAsync(map.PlaceOfEntry(table, offset).PageOffset, TableKind.L2, cancellationToken);
    }

    private async ValueTask<long> NewTableAsync(long index, CancellationToken cancellationToken)
    {
        HostRun run = await allocator.AllocateAsync(1, cancellationToken);
        long table = run.First << _geometry.ClusterBits;
        tables.Cache.Create(table, _geometry.ClusterSize, TableKind.L2);
        tables.L1.Set(index, (ulong)table | L2Entry.CopiedFlag);
        return table;
    }

    /// <summary>A snapshot uses the table, too: the active disk gets a copy. The clusters' own counts stay: both tables were counted before.</summary>
    private async ValueTask<long> UnshareTableAsync(long index, long shared, CancellationToken cancellationToken)
    {
        byte[] content = new byte[_geometry.ClusterSize];
        for (int at = 0; at < content.Length; at += _geometry.PageSize)
        {
            TablePage page = await tables.Cache.GetAsync(shared + at, TableKind.L2, cancellationToken);
            lock (page.Sync)
            {
                page.Bytes.CopyTo(content.AsSpan(at));
            }
        }

        long table = await NewTableAsync(index, cancellationToken);
        for (int at = 0; at < content.Length; at += _geometry.PageSize)
        {
            TablePage page = await tables.Cache.GetForChangeAsync(table + at, TableKind.L2, CancellationToken.None);
            lock (page.Sync)
            {
                content.AsSpan(at, _geometry.PageSize).CopyTo(page.Change());
            }
        }

        tables.Frees.Add(new HostRun(shared >> _geometry.ClusterBits, 1));
        return table;
    }

    private void FreeLostPlace(L2Entry old, L2Entry changed)
    {
        if (tables.HasExternalData)
        {
            return;
        }

        if (old.IsCompressed)
        {
            (long offset, int length) = old.CompressedPlace(_geometry);
            long first = offset >> _geometry.ClusterBits;
            long last = (offset + length - 1) >> _geometry.ClusterBits;
            tables.Frees.Add(new HostRun(first, (int)(last - first) + 1));
        }
        else if (old.HostOffset != 0 && old.HostOffset != changed.HostOffset)
        {
            tables.Frees.Add(new HostRun(old.HostOffset >> _geometry.ClusterBits, 1));
        }
    }
}
