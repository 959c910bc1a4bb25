using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Images.Blocks;

/// <summary>Brings changed tables to disk as they are at one moment, then frees the places that they have let go of.</summary>
/// <remarks>
/// A crash before the tables are there leaves each block as it was; places that it was given leak. After it, places that it left
/// may leak. Data come first: no table ever points to a place whose content is not on disk.
/// </remarks>
internal sealed class BlockFlusher(BlockTable table) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1, 1);

    /// <summary>Everything that was complete before the call is on disk afterwards.</summary>
    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            Captured captured;
            using (await table.Lock.EnterAsync(cancellationToken))
            {
                captured = Capture();
            }

            bool written = false;
            try
            {
                await PersistAsync(captured, cancellationToken);
                written = true;
            }
            finally
            {
                using (await table.Lock.EnterAsync(CancellationToken.None))
                {
                    Complete(captured, written);
                }
            }

            using (await table.Lock.EnterAsync(cancellationToken))
            {
                await table.Space.ReleaseRipeAsync(table, cancellationToken);
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Flushes, then runs <paramref name="change"/> while no table changes and nobody else flushes.</summary>
    public async ValueTask RunQuietAsync(Func<ValueTask> change, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            using MetadataLock.Hold hold = await table.Lock.EnterAsync(cancellationToken);
            Captured captured = Capture();
            bool written = false;
            try
            {
                await PersistAsync(captured, cancellationToken);
                written = true;
            }
            finally
            {
                Complete(captured, written);
            }

            await change();
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Flushes when the cache is full of changes; to be called where no lock is held and no access is under way.</summary>
    public ValueTask RelieveAsync(CancellationToken cancellationToken) =>
        table.Cache.IsCrowded ? FlushAsync(cancellationToken) : ValueTask.CompletedTask;

    public void Dispose() => _turn.Dispose();

    private Captured Capture() => new(table.Cache.Capture(), table.Space.Capture());

    private ValueTask PersistAsync(Captured captured, CancellationToken cancellationToken) => captured.Pages.Count > 0
        ? table.PersistAsync(captured.Pages, cancellationToken)
        : table.File.FlushAsync(cancellationToken);

    private void Complete(Captured captured, bool written)
    {
        table.Cache.Complete(captured.Pages, written);
        if (written)
        {
            table.Space.Written(captured.Frees, table.Grace);
        }
        else
        {
            table.Space.Restore(captured.Frees);
        }
    }

    private sealed record Captured(List<(TablePage Page, MetadataWrite Write)> Pages, List<long> Frees);
}
