using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Everything that only a writer needs; comes to life with the first write.</summary>
internal sealed class WriteEngine : IDisposable
{
    private WriteEngine(ImageTables tables, Refcounts refcounts, GuestReader reader, ClusterData data)
    {
        var allocator = new ClusterAllocator(tables, refcounts);
        var editor = new L2Editor(tables, reader.Map, allocator);
        var ranges = new GuestRangeLock();
        Flusher = new TableFlusher(tables, refcounts, allocator, tables.HasExternalData ? data.Device : null);
        Writer = new ClusterWriter(tables, reader, data, allocator, editor, Flusher, ranges);
        Eraser = new ClusterEraser(tables, reader, data, Writer, editor, Flusher, ranges);
        Resizer = new Qcow2Resizer(tables, reader, data, allocator, Eraser, Flusher);
    }

    public ClusterWriter Writer { get; }

    public ClusterEraser Eraser { get; }

    public Qcow2Resizer Resizer { get; }

    public TableFlusher Flusher { get; }

    /// <summary>Makes the image ready: what its header promises, and what we do not keep, is taken back before anything changes.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2RefcountInvalid"/>, <see cref="ErrorIds.Qcow2BitmapsInvalid"/>.</exception>
    public static async ValueTask<WriteEngine> StartAsync(
        ImageTables tables, GuestReader reader, ClusterData data, CancellationToken cancellationToken)
    {
        PointerTable table = await PointerTable.ReadAsync(tables.File, (long)tables.Header.RefcountTableOffset,
            (int)tables.Header.RefcountTableClusters * (tables.Geometry.ClusterSize / sizeof(ulong)), cancellationToken);
        if (tables.HasExternalData && data.Device.Length < (long)tables.Header.VirtualSize)
        {
            await data.Device.SetLengthAsync((long)tables.Header.VirtualSize, cancellationToken);
        }

        await WithdrawPromisesAsync(tables, cancellationToken);
        return new WriteEngine(tables, new Refcounts(tables, table), reader, data);
    }

    /// <summary>Writes out what is left, and frees what nobody reads any more.</summary>
    public async ValueTask CloseAsync(ImageTables tables)
    {
        await Flusher.FlushAsync(CancellationToken.None);
        if (tables.Cache.IsDirty)
        {
            // The flush has freed clusters.
            await Flusher.FlushAsync(CancellationToken.None);
        }
    }

    public void Dispose() => Flusher.Dispose();

    /// <summary>Unknown autoclear features go; bitmaps that should track the writes to come are marked as no longer true.</summary>
    private static async ValueTask WithdrawPromisesAsync(ImageTables tables, CancellationToken cancellationToken)
    {
        Qcow2Header header = tables.Header;
        Qcow2Header honest = header with { Autoclear = header.Autoclear & Qcow2Features.KnownAutoclear };
        List<MetadataWrite> writes = [.. Qcow2HeaderFields.Features.Changes(header, honest)];
        IReadOnlyList<Qcow2Bitmap> bitmaps = await tables.ReadBitmapsAsync(cancellationToken);
        Qcow2Bitmap[] outdated = [.. bitmaps.Where(bitmap => bitmap.IsEnabled && !bitmap.IsInconsistent)];
        if (writes.Count > 0 || outdated.Length > 0)
        {
            await MetadataWrite.WriteAllAsync(tables.File, writes, cancellationToken);
            await Qcow2BitmapDirectory.MarkInUseAsync(tables.File, outdated, cancellationToken);
            await tables.File.FlushAsync(cancellationToken);
            tables.Header = honest;
        }
    }
}
