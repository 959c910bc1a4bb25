using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Zeroes, trims and drops by changing entries; only parts of clusters are written.</summary>
internal sealed class ClusterEraser(
    ImageTables tables, GuestReader reader, ClusterData data, ClusterWriter writer, L2Editor editor, TableFlusher flusher, GuestRangeLock ranges)
{
    private const int WritePiece = 1024 * 1024;

    private readonly Qcow2Geometry _geometry = tables.Geometry;
    private readonly ClusterMap _map = reader.Map;

    public async ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        bool keep = flags.HasFlag(ZeroFlags.KeepAllocated);
        if (!tables.ZeroesFast)
        {
            BlockGuard.NotOnlyIfFast(flags);
            await WriteZerosAsync(offset, count, keep, cancellationToken);
            return;
        }

        // What cannot be done by entries alone is written afterwards, when no lock is held.
        var left = new List<(long Offset, long Count)>();
        (long start, long end) = WholeUnits(offset, count, tables.Version >= 3 ? _geometry.SubclusterSize : _geometry.ClusterSize);
        await EraseAsync(start, end, from => !keep && !reader.BackingReaches(from), ZeroDataFile, (from, to, entry) =>
        {
            if (Zeroed(from, to, entry, keep) is { } zeroed)
            {
                return zeroed;
            }

            Append(left, from, Math.Min(to, offset + count) - from);
            return entry;
        }, cancellationToken);

        Append(left, offset, start - offset);
        Append(left, end, Math.Max(0, offset + count - end));
        if (keep && left.Any(part => part.Count > _geometry.ClusterSize))
        {
            BlockGuard.NotOnlyIfFast(flags);
        }

        foreach ((long from, long length) in left)
        {
            await WriteZerosAsync(from, length, keep, cancellationToken);
        }
    }

    /// <summary>Lets whole clusters go. They read as zeros then, except that version 2 over a backing file keeps them: it cannot say zero.</summary>
    public async ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        if (!tables.ZeroesFast)
        {
            return;
        }

        (long start, long end) = WholeUnits(offset, count, _geometry.ClusterSize);
        await EraseAsync(start, end, _ => true, tables.DataFileIsRaw ? ZeroDataFile : TrimDataFile,
            (_, _, entry) => entry.HasPlace ? Nothing : entry, cancellationToken);
    }

    /// <summary>Makes clusters beyond a new end of the disk unallocated.</summary>
    public ValueTask DropAsync(long start, long end, CancellationToken cancellationToken) =>
        EraseAsync(start, end, _ => true, TrimDataFile, (_, _, _) => L2Entry.Unallocated, cancellationToken);

    private static void Append(List<(long Offset, long Count)> ranges, long offset, long count)
    {
        if (ranges.Count > 0 && ranges[^1].Offset + ranges[^1].Count == offset)
        {
            ranges[^1] = (ranges[^1].Offset, ranges[^1].Count + count);
        }
        else if (count > 0)
        {
            ranges.Add((offset, count));
        }
    }

    private delegate ValueTask DataFileAction(long offset, long count, CancellationToken cancellationToken);

    private L2Entry Nothing => tables.Version >= 3 ? L2Entry.Zero(_geometry) : L2Entry.Unallocated;

    /// <summary>The entry after [from, to) of its cluster became zeros; null if an entry cannot say that.</summary>
    private L2Entry? Zeroed(long from, long to, L2Entry entry, bool keep)
    {
        bool owns = entry.OwnsPlace && tables.Version >= 3;
        if (keep && !owns && !tables.HasExternalData)
        {
            return null;
        }

        if (to - from == _geometry.ClusterSize)
        {
            return entry == L2Entry.Unallocated && !reader.BackingReaches(from) ? entry
                : keep && owns ? entry.WithZeros(_geometry, 0, _geometry.ClusterSize / _geometry.SubclusterSize)
                : Nothing;
        }

        int first = _geometry.InCluster(from) / _geometry.SubclusterSize;
        return entry.IsCompressed ? null : entry.WithZeros(_geometry, first, (int)((to - from) / _geometry.SubclusterSize));
    }

    /// <summary>Changes the entries of [start, end), page by page.</summary>
    /// <param name="skips">Whether a place without an L2 table, from this guest offset on, needs no change.</param>
    /// <param name="dataFile">What is done to the range in an external data file.</param>
    /// <param name="change">New entry from the part of the cluster and the old entry.</param>
    private async ValueTask EraseAsync(long start, long end, Func<long, bool> skips, DataFileAction dataFile,
        Func<long, long, L2Entry, L2Entry> change, CancellationToken cancellationToken)
    {
        while (start < end)
        {
            if (_map.L2TableAt(start) == 0 && skips(start))
            {
                start = _map.NextTable(start, end);
                continue;
            }

            (long from, long to) = (start, Math.Min(end, _map.PageEnd(start)));
            long first = _geometry.ClusterStart(from);
            await flusher.RelieveAsync(cancellationToken);
            using GuestRangeLock.Hold hold = await ranges.EnterAsync(
                _geometry.ClusterIndex(from), _geometry.ClusterIndex(to - 1), cancellationToken);
            await dataFile(from, to - from, cancellationToken);
            using (await tables.Lock.EnterAsync(cancellationToken))
            {
                await editor.ChangeAsync(first, (int)_geometry.ClusterCount(to - first), (cluster, entry) =>
                    change(Math.Max(from, cluster), Math.Min(to, cluster + _geometry.ClusterSize), entry), cancellationToken);
            }

            start = to;
        }
    }

    /// <summary>Writes zeros where the disk does not show them already or (<paramref name="allocate"/>) has no storage of its own.</summary>
    private async ValueTask WriteZerosAsync(long offset, long count, bool allocate, CancellationToken cancellationToken)
    {
        byte[] zeros = new byte[(int)Math.Min(WritePiece, count)];
        for (long end = offset + count; offset < end;)
        {
            GuestRun run = await _map.FindAsync(offset, Math.Min(end - offset, zeros.Length), cancellationToken);
            bool isZero = run.Kind == Qcow2MappingKind.Zero || (run.Kind == Qcow2MappingKind.Unallocated && !reader.BackingReaches(offset));
            if (!isZero || (allocate && !run.IsReserved))
            {
                await writer.WriteAsync(offset, zeros.AsMemory(0, (int)run.Length), cancellationToken);
            }

            offset += run.Length;
        }
    }

    /// <summary>The whole units of the range; the last one of the disk counts as whole. Empty, at the end, if there is none.</summary>
    private (long Start, long End) WholeUnits(long offset, long count, int unit)
    {
        long start = (offset + unit - 1) & -(long)unit;
        long end = offset + count;
        end = end == tables.VirtualSize ? (end + _geometry.ClusterSize - 1) & -(long)_geometry.ClusterSize : end & -(long)unit;
        return start < end ? (start, end) : (offset + count, offset + count);
    }

    private async ValueTask ZeroDataFile(long offset, long count, CancellationToken cancellationToken)
    {
        if (tables.DataFileIsRaw)
        {
            await data.Device.ZeroAsync(offset, Math.Min(count, data.Device.Length - offset), ZeroFlags.None, cancellationToken);
        }
    }

    private async ValueTask TrimDataFile(long offset, long count, CancellationToken cancellationToken)
    {
        if (tables.HasExternalData && data.Device.Traits.CanTrim && offset < data.Device.Length)
        {
            await data.Device.TrimAsync(offset, Math.Min(count, data.Device.Length - offset), cancellationToken);
        }
    }
}
