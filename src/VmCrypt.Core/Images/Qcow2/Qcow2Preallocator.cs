using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Gives every cluster of a new disk its place, and the places the storage that was asked for.</summary>
internal static class Qcow2Preallocator
{
    private const int CacheBytes = 32 * 1024 * 1024;

    /// <returns>The header, whose refcount table may have moved.</returns>
    public static async ValueTask<Qcow2Header> RunAsync(
        IBlockDevice file, Qcow2Metadata metadata, Qcow2CreateOptions options, CancellationToken cancellationToken)
    {
        (Qcow2Header header, Qcow2Geometry geometry) = (metadata.Header, metadata.Geometry);
        PointerTable l1 = await PointerTable.ReadAsync(file, (long)header.L1Offset, (int)header.L1Entries, cancellationToken);
        PointerTable refcountTable = await PointerTable.ReadAsync(file, (long)header.RefcountTableOffset,
            (int)header.RefcountTableClusters * (geometry.ClusterSize / sizeof(ulong)), cancellationToken);
        using var tables = new ImageTables(file, metadata, l1, new Qcow2OpenOptions { MetadataCacheBytes = CacheBytes });
        var refcounts = new Refcounts(tables, refcountTable);
        var map = new ClusterMap(tables, l1);
        var allocator = new ClusterAllocator(tables, refcounts);
        var editor = new L2Editor(tables, map, allocator);
        using var flusher = new TableFlusher(tables, refcounts, allocator, dataFile: null);
        for (long guest = 0; guest < options.Size;)
        {
            int count = (int)geometry.ClusterCount(Math.Min(options.Size, map.PageEnd(guest)) - guest);
            long host = guest;
            if (!tables.HasExternalData)
            {
                HostRun run = await allocator.AllocateAsync(count, cancellationToken);
                (host, count) = (run.First << geometry.ClusterBits, run.Count);
                await FillAsync(file, host, (long)count << geometry.ClusterBits, options.Preallocation, cancellationToken);
            }

            long first = guest;
            await editor.ChangeAsync(guest, count, (cluster, _) => EntryAt(host + (cluster - first), geometry, options), cancellationToken);
            await flusher.RelieveAsync(cancellationToken);
            guest += (long)count << geometry.ClusterBits;
        }

        await flusher.FlushAsync(cancellationToken);
        await flusher.FlushAsync(cancellationToken);
        return tables.Header;
    }

    private static L2Entry EntryAt(long host, Qcow2Geometry geometry, Qcow2CreateOptions options)
    {
        L2Entry data = L2Entry.Data(geometry, host);
        // Under encryption, storage that reads as zeros would decrypt to noise: the entries say zero instead.
        return options.EncryptionHeaderLength > 0 ? data.WithZeros(geometry, 0, geometry.ClusterSize / geometry.SubclusterSize)
            : options.BackingPath is not null ? data with { Bitmap = 0 }
            : data;
    }

    private static ValueTask FillAsync(IBlockDevice file, long host, long bytes, Preallocation preallocation, CancellationToken cancellationToken) =>
        preallocation == Preallocation.Metadata && !file.Traits.CanResize
            // A device of fixed size holds somebody's old bytes.
            ? file.ZeroAsync(host, bytes, ZeroFlags.None, cancellationToken)
            : StorageReserve.FillAsync(file, host, bytes, preallocation, cancellationToken);
}
