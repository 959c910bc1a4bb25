using System.Runtime.CompilerServices;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Guest offset to place, through an L1 table (the active one or a snapshot's) and its L2 tables.</summary>
internal sealed class ClusterMap(ImageTables tables, PointerTable l1)
{
    private readonly Qcow2Geometry _geometry = tables.Geometry;

    public Qcow2Geometry Geometry => _geometry;

    /// <summary>How the bytes from <paramref name="offset"/> on are mapped, for as far as that goes on in one way.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2L1EntryInvalid"/>, <see cref="ErrorIds.Qcow2L2EntryInvalid"/>.</exception>
    public ValueTask<GuestRun> FindAsync(long offset, long length, CancellationToken cancellationToken)
    {
        long l2 = L2TableAt(offset);
        if (l2 == 0)
        {
            return new(new GuestRun(offset, NextTable(offset, offset + length) - offset, Qcow2MappingKind.Unallocated, L2Entry.Unallocated, -1));
        }

        (long pageOffset, int at) = PlaceOfEntry(l2, offset);
        ValueTask<TablePage> page = tables.Cache.GetAsync(pageOffset, TableKind.L2, cancellationToken);
        return page.IsCompletedSuccessfully ? new(Scan(page.Result, at, offset, length)) : ScanAsync(page, at, offset, length);
    }

    /// <summary>Offset of the L2 table for a guest offset; 0 if there is none.</summary>
    public long L2TableAt(long offset)
    {
        long index = _geometry.L1Index(offset);
        ulong entry = index < l1.Count ? l1[index] : 0;
        long table = (long)(entry & L2Entry.OffsetMask);
        if (!_geometry.IsClusterAligned((ulong)table) || table > tables.File.Length - _geometry.ClusterSize)
        {
            throw new InvalidImageException(ErrorIds.Qcow2L1EntryInvalid,
                $"L1 entry {index} is 0x{entry:x16}; the L2 table must be aligned to clusters and lie in the file of {tables.File.Length} bytes.");
        }

        return table;
    }

    /// <summary>The page that holds the entry of a guest offset, and the entry's place in it.</summary>
    public (long PageOffset, int At) PlaceOfEntry(long l2Table, long offset)
    {
        int inTable = (int)(_geometry.ClusterIndex(offset) & (_geometry.L2Entries - 1)) * _geometry.L2EntrySize;
        int at = inTable & (_geometry.PageSize - 1);
        return (l2Table + inTable - at, at);
    }

    /// <summary>The first guest offset behind <paramref name="offset"/> whose entry is in another page.</summary>
    public long PageEnd(long offset)
    {
        long coverage = (long)(_geometry.PageSize / _geometry.L2EntrySize) << _geometry.ClusterBits;
        return (offset | (coverage - 1)) + 1;
    }

    /// <summary>The first guest offset behind <paramref name="offset"/> that may have an L2 table, where that of the offset has none; at most <paramref name="end"/>.</summary>
    public long NextTable(long offset, long end)
    {
        long index = _geometry.L1Index(offset);
        long last = _geometry.L1Index(end - 1);
        do
        {
            index++;
        }
        while (index <= last && (index >= l1.Count || l1[index] == 0));
        return index > last ? end : index * _geometry.L2Coverage;
    }

    /// <summary>The whole range as runs, with the places of this layer.</summary>
    public async IAsyncEnumerable<Qcow2Mapping> ToMappingsAsync(
        long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (long end = offset + count; offset < end;)
        {
            GuestRun run = await FindAsync(offset, end - offset, cancellationToken);
            (long Offset, int Length)? place = run.Entry.IsCompressed ? run.Entry.CompressedPlace(_geometry) : null;
            yield return new Qcow2Mapping(offset, run.Length, run.Kind,
                place?.Offset ?? (run.HasPlace ? run.HostOffset : null),
                place?.Length ?? (run.HasPlace ? run.Length : 0));
            offset += run.Length;
        }
    }

    private async ValueTask<GuestRun> ScanAsync(ValueTask<TablePage> page, int at, long offset, long length) =>
        Scan(await page, at, offset, length);

    private GuestRun Scan(TablePage page, int at, long offset, long length)
    {
        lock (page.Sync)
        {
            GuestRun run = RunOf(ParseEntry(page, at, offset), offset, length);
            while (run.Length < length && run.Kind != Qcow2MappingKind.Compressed)
            {
                long next = offset + run.Length;
                at += _geometry.InCluster(next) == 0 ? _geometry.L2EntrySize : 0;
                if (at >= page.Bytes.Length)
                {
                    break;
                }

                GuestRun more = RunOf(ParseEntry(page, at, next), next, length - run.Length);
                if (!Continues(run, more))
                {
                    break;
                }

                run = run with { Length = run.Length + more.Length };
            }

            return run;
        }
    }

    private L2Entry ParseEntry(TablePage page, int at, long offset)
    {
        L2Entry entry = L2Entry.Parse(_geometry, page.Bytes[at..]);
        entry.Check(_geometry, offset, tables.Version, tables.HasExternalData);
        return entry;
    }

    /// <summary>The run inside of one cluster: up to where the kind of subcluster changes.</summary>
    private GuestRun RunOf(L2Entry entry, long offset, long length)
    {
        int subcluster = _geometry.InCluster(offset) / _geometry.SubclusterSize;
        int count = _geometry.ClusterSize / _geometry.SubclusterSize;
        Qcow2MappingKind kind = entry.KindOf(_geometry, subcluster);
        int next = subcluster + 1;
        while (next < count && entry.KindOf(_geometry, next) == kind)
        {
            next++;
        }

        long end = _geometry.ClusterStart(offset) + ((long)next * _geometry.SubclusterSize);
        long host = entry.HasPlace && !entry.IsCompressed ? entry.HostOffset + _geometry.InCluster(offset) : -1;
        return new GuestRun(offset, Math.Min(length, end - offset), kind, entry, host);
    }

    private static bool Continues(in GuestRun run, in GuestRun more) =>
        more.Kind == run.Kind
        && more.Entry.OwnsPlace == run.Entry.OwnsPlace
        && more.HasPlace == run.HasPlace
        && (!run.HasPlace || more.HostOffset == run.HostOffset + run.Length);
}
