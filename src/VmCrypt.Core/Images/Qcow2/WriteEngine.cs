using VmCrypt.Core.Block;
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
        Allocator = allocator;
        Flusher = new TableFlusher(tables, refcounts, allocator, tables.HasExternalData ? data.Storage : null);
        Rebuild = new RefcountRebuild(tables, refcounts, Flusher);
        Writer = new ClusterWriter(tables, reader, data, allocator, editor, Flusher, ranges);
        Eraser = new ClusterEraser(tables, reader, data, Writer, editor, Flusher, ranges);
        Resizer = new Qcow2Resizer(tables, reader, data, allocator, Eraser, Flusher);
    }

    public ClusterAllocator Allocator { get; }

    public ClusterWriter Writer { get; }

    public ClusterEraser Eraser { get; }

    public Qcow2Resizer Resizer { get; }

    public TableFlusher Flusher { get; }

    public RefcountRebuild Rebuild { get; }

    /// <summary>Makes the image ready: what its header promises, and what we do not keep, is taken back before anything changes.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2RefcountInvalid"/>, <see cref="ErrorIds.Qcow2BitmapsInvalid"/>.</exception>
    public static async ValueTask<WriteEngine> StartAsync(
        ImageTables tables, GuestReader reader, ClusterData data, CancellationToken cancellationToken)
    {
        PointerTable table = await PointerTable.ReadAsync(tables.File, (long)tables.Header.RefcountTableOffset,
            (int)tables.Header.RefcountTableClusters * (tables.Geometry.ClusterSize / sizeof(ulong)), cancellationToken);
        if (tables.HasExternalData && data.Storage.Length < tables.VirtualSize)
        {
            await data.Storage.SetLengthAsync(tables.VirtualSize, cancellationToken);
        }

        await CompleteLastClusterAsync(tables, cancellationToken);
        await WithdrawPromisesAsync(tables, cancellationToken);
        var refcounts = new Refcounts(tables, table);
        var engine = new WriteEngine(tables, refcounts, reader, data);
        if (tables.Header.Incompatible.HasFlag(Qcow2Incompatible.Dirty))
        {
            await engine.Rebuild.RunAsync(cancellationToken);
        }

        return engine;
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

    /// <summary>QEMU ends a file inside of its last cluster when nothing was written to the rest of it; we write there in place.</summary>
    private static async ValueTask CompleteLastClusterAsync(ImageTables tables, CancellationToken cancellationToken)
    {
        IBlockDevice file = tables.File;
        int missing = -tables.Geometry.InCluster(file.Length) & (tables.Geometry.ClusterSize - 1);
        if (missing > 0 && file.Traits.CanResize)
        {
            await file.SetLengthAsync(file.Length + missing, cancellationToken);
        }
    }

    /// <summary>Unknown autoclear features go; bitmaps that should track the writes to come are marked as no longer true.</summary>
    private static async ValueTask WithdrawPromisesAsync(ImageTables tables, CancellationToken cancellationToken)
    {
        await tables.ClearUnknownFeaturesAsync(cancellationToken);
        Qcow2Bitmap[] outdated = [.. (await tables.ReadBitmapsAsync(cancellationToken)).Where(bitmap => bitmap is { IsEnabled: true, IsInconsistent: false })];
        if (outdated.Length > 0)
        {
            await Qcow2BitmapDirectory.MarkInUseAsync(tables.File, outdated, cancellationToken);
            await tables.File.FlushAsync(cancellationToken);
        }
    }
}
