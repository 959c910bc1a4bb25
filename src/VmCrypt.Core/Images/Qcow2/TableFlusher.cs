using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Writes changed tables in the order that survives a crash after any write, and a power cut between any two flushes.</summary>
/// <remarks>
/// All changes of tables stay in memory until a flush takes them, as they are at one moment, and writes them in steps:
/// <list type="number">
/// <item>refcount blocks, and tables to which nothing on disk points yet; guest data has been written before. Crash: leaks.</item>
/// <item>flush; then what points to new refcount blocks or to a moved refcount table. Crash: leaks.</item>
/// <item>flush; then L2 and L1 entries, and the header's L1 fields. Crash: each guest cluster is as before or as after.</item>
/// <item>flush; only now clusters that lost their last reference become free (<see cref="DeferredFrees"/>). Crash: leaks.</item>
/// </list>
/// So no entry ever points to a cluster whose refcount or content is not on disk.
/// </remarks>
internal sealed class TableFlusher(ImageTables tables, Refcounts refcounts, ClusterAllocator allocator, IBlockDevice? dataFile) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1, 1);
    private Qcow2Header _onDisk = tables.Header;

    /// <summary>Everything that was complete before the call is on disk afterwards.</summary>
    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            Captured captured;
            using (await tables.Lock.EnterAsync(cancellationToken))
            {
                captured = Capture();
            }

            bool written = false;
            try
            {
                await WriteAsync(captured, cancellationToken);
                written = true;
            }
            finally
            {
                using (await tables.Lock.EnterAsync(CancellationToken.None))
                {
                    Complete(captured, written);
                }
            }

            using (await tables.Lock.EnterAsync(cancellationToken))
            {
                await tables.Frees.ReleaseRipeAsync(tables, refcounts, allocator, cancellationToken);
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Flushes when the cache is full of changes; to be called where no lock is held and no access is under way.</summary>
    public ValueTask RelieveAsync(CancellationToken cancellationToken) =>
        tables.Cache.IsCrowded ? FlushAsync(cancellationToken) : ValueTask.CompletedTask;

    public void Dispose() => _turn.Dispose();

    private Captured Capture() => new(
        tables.Cache.Capture(), refcounts.Table.Capture(), tables.L1.Capture(), tables.Frees.Capture(), tables.Header);

    private void Complete(Captured captured, bool written)
    {
        tables.Cache.Complete(captured.Pages, written);
        if (written)
        {
            _onDisk = captured.Header;
            tables.Frees.Written(captured.Frees);
        }
        else
        {
            refcounts.Table.Restore(captured.RefcountTable);
            tables.L1.Restore(captured.L1);
            tables.Frees.Restore(captured.Frees);
        }
    }

    private async ValueTask WriteAsync(Captured captured, CancellationToken cancellationToken)
    {
        IBlockDevice file = tables.File;
        List<MetadataWrite> unreferenced = [.. captured.Pages.Where(IsFirst).Select(page => page.Write),
            .. captured.RefcountTable.Moved ? captured.RefcountTable.Writes : [], .. captured.L1.Moved ? captured.L1.Writes : []];
        List<MetadataWrite> refcountPointers = [.. captured.RefcountTable.Moved ? [] : captured.RefcountTable.Writes,
            .. Qcow2HeaderFields.RefcountTable.Changes(_onDisk, captured.Header)];
        List<MetadataWrite> mappings = [.. captured.Pages.Where(page => !IsFirst(page)).Select(page => page.Write),
            .. captured.L1.Moved ? [] : captured.L1.Writes, .. Qcow2HeaderFields.SizeAndL1.Changes(_onDisk, captured.Header)];

        await MetadataWrite.WriteAllAsync(file, unreferenced, cancellationToken);
        if (refcountPointers.Count > 0)
        {
            await FlushDevicesAsync(cancellationToken);
            await MetadataWrite.WriteAllAsync(file, refcountPointers, cancellationToken);
        }

        if (mappings.Count > 0)
        {
            await FlushDevicesAsync(cancellationToken);
            await MetadataWrite.WriteAllAsync(file, mappings, cancellationToken);
        }

        await FlushDevicesAsync(cancellationToken);
    }

    private static bool IsFirst((TablePage Page, MetadataWrite Write) captured) =>
        captured.Page.Kind == TableKind.Refcounts || captured.Page.IsFresh;

    private async ValueTask FlushDevicesAsync(CancellationToken cancellationToken)
    {
        if (dataFile is not null)
        {
            await dataFile.FlushAsync(cancellationToken);
        }

        await tables.File.FlushAsync(cancellationToken);
    }

    private sealed record Captured(
        List<(TablePage Page, MetadataWrite Write)> Pages,
        PointerTable.Change RefcountTable,
        PointerTable.Change L1,
        List<HostRun> Frees,
        Qcow2Header Header);
}
