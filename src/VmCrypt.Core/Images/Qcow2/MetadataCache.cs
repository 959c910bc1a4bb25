using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>L2 tables and refcount blocks in memory, page by page: bounded when clean, written back only by the flusher.</summary>
/// <remarks>Anybody may read at any time. Changes, <see cref="Capture"/> and <see cref="Forget"/> are made under the metadata lock.</remarks>
internal sealed class MetadataCache(IBlockDevice file, int pageSize, int capacityBytes)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<long, TablePage> _pages = [];
    private readonly LinkedList<TablePage> _leastUsedFirst = [];
    private readonly int _capacity = Math.Max(capacityBytes / pageSize, 16);
    private readonly HashSet<TablePage> _dirty = [];

    /// <summary>So much is dirty that somebody should flush before dirtying more.</summary>
    public bool IsCrowded
    {
        get
        {
            lock (_lock)
            {
                return _dirty.Count > _capacity / 2;
            }
        }
    }

    public bool IsDirty
    {
        get
        {
            lock (_lock)
            {
                return _dirty.Count > 0;
            }
        }
    }

    /// <summary>The page at <paramref name="offset"/>, a multiple of the page size. It may leave the cache while the caller reads it.</summary>
    public ValueTask<TablePage> GetAsync(long offset, TableKind kind, CancellationToken cancellationToken)
    {
        TablePage page = Find(offset, kind, out TaskCompletionSource? toLoad);
        if (toLoad is not null)
        {
            _ = LoadAsync(page, toLoad);
        }

        return page.Loaded.IsCompletedSuccessfully ? new(page) : WaitAsync(page, cancellationToken);
    }

    /// <summary>The page, marked dirty, which keeps it in the cache.</summary>
    public async ValueTask<TablePage> GetForChangeAsync(long offset, TableKind kind, CancellationToken cancellationToken)
    {
        while (true)
        {
            TablePage page = await GetAsync(offset, kind, cancellationToken);
            lock (_lock)
            {
                if (_pages.TryGetValue(offset, out TablePage? resident) && resident == page)
                {
                    _dirty.Add(page);
                    return page;
                }
            }
        }
    }

    /// <summary>Pages of a new table, all zero and dirty. Nothing is read.</summary>
    public void Create(long offset, int bytes, TableKind kind)
    {
        lock (_lock)
        {
            for (long at = offset; at < offset + bytes; at += pageSize)
            {
                Remove(at);
                TablePage page = Add(at, kind);
                page.IsFresh = true;
                _dirty.Add(page);
            }

            Evict();
        }
    }

    /// <summary>Drops the pages of a table that is no table any more.</summary>
    public void Forget(long offset, long bytes)
    {
        lock (_lock)
        {
            for (long at = offset; at < offset + bytes; at += pageSize)
            {
                Remove(at);
            }
        }
    }

    /// <summary>Takes all dirty pages with their bytes of now.</summary>
    public List<(TablePage Page, MetadataWrite Write)> Capture()
    {
        var captured = new List<(TablePage Page, MetadataWrite Write)>();
        lock (_lock)
        {
            foreach (TablePage page in _dirty)
            {
                lock (page.Sync)
                {
                    captured.Add((page, new MetadataWrite(page.Offset, page.Lend())));
                }

                page.IsInFlight = true;
            }

            _dirty.Clear();
        }

        return captured;
    }

    /// <summary>The captured pages are on disk, or (not <paramref name="written"/>) must be captured again.</summary>
    public void Complete(List<(TablePage Page, MetadataWrite Write)> captured, bool written)
    {
        lock (_lock)
        {
            foreach ((TablePage page, _) in captured)
            {
                page.IsInFlight = false;
                page.IsFresh &= !written;
                // A page that was forgotten meanwhile stays so.
                if (!written && _pages.TryGetValue(page.Offset, out TablePage? resident) && resident == page)
                {
                    _dirty.Add(page);
                }
            }

            Evict();
        }
    }

    private TablePage Find(long offset, TableKind kind, out TaskCompletionSource? toLoad)
    {
        toLoad = null;
        lock (_lock)
        {
            if (_pages.TryGetValue(offset, out TablePage? page))
            {
                _leastUsedFirst.Remove(page.Use!);
                _leastUsedFirst.AddLast(page.Use!);
                return page;
            }

            toLoad = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            page = Add(offset, kind);
            page.Loaded = toLoad.Task;
            Evict();
            return page;
        }
    }

    // The load serves everybody who waits for the page, so nobody's cancellation may end it.
    private async Task LoadAsync(TablePage page, TaskCompletionSource loaded)
    {
        try
        {
            await file.ReadAsync(page.Offset, page.Target, CancellationToken.None);
            loaded.SetResult();
        }
#pragma warning disable CA1031 // whatever it is, those who wait for the page get it
        catch (Exception e)
#pragma warning restore CA1031
        {
            lock (_lock)
            {
                Remove(page.Offset);
            }

            loaded.SetException(e);
        }
    }

    private static async ValueTask<TablePage> WaitAsync(TablePage page, CancellationToken cancellationToken)
    {
        await page.Loaded.WaitAsync(cancellationToken);
        return page;
    }

    private TablePage Add(long offset, TableKind kind)
    {
        var page = new TablePage(offset, kind, new byte[pageSize]);
        page.Use = _leastUsedFirst.AddLast(page);
        _pages.Add(offset, page);
        return page;
    }

    private void Remove(long offset)
    {
        if (_pages.Remove(offset, out TablePage? page))
        {
            _leastUsedFirst.Remove(page.Use!);
            _dirty.Remove(page);
        }
    }

    /// <summary>Drops clean pages, the least used first, until the capacity is kept or only pages remain that must stay.</summary>
    private void Evict()
    {
        for (int looked = _pages.Count; _pages.Count > _capacity && looked > 0; looked--)
        {
            TablePage page = _leastUsedFirst.First!.Value;
            if (!page.IsInFlight && page.Loaded.IsCompleted && !_dirty.Contains(page))
            {
                Remove(page.Offset);
                continue;
            }

            // It must stay, so it need not be looked at again soon.
            _leastUsedFirst.RemoveFirst();
            _leastUsedFirst.AddLast(page.Use!);
        }
    }
}
