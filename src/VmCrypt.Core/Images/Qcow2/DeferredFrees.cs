using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Clusters that no table in memory refers to any more. They become free only when that is on disk, and nobody reads them.</summary>
/// <remarks>
/// So a crash can only leak them. Three stations: added; written (the tables on disk have let go of them); ripe (every access
/// that began before has ended), when their refcounts drop and the file gives back their space. Used under the metadata lock.
/// </remarks>
internal sealed class DeferredFrees(GracePeriod grace)
{
    private readonly Queue<(GracePeriod.Generation Readers, List<HostRun> Runs)> _written = [];
    private List<HostRun> _added = [];

    public void Add(HostRun run)
    {
        // Neighbours become one: a trimmed disk is a few long runs, not a million clusters.
        if (_added.Count > 0 && _added[^1].Joins(run))
        {
            _added[^1] = _added[^1] with { Count = _added[^1].Count + run.Count };
        }
        else
        {
            _added.Add(run);
        }
    }

    /// <summary>What the capture of the tables that is made now lets go of.</summary>
    public List<HostRun> Capture()
    {
        List<HostRun> captured = _added;
        _added = [];
        return captured;
    }

    /// <summary>The capture did not reach the disk.</summary>
    public void Restore(List<HostRun> captured) => _added.AddRange(captured);

    /// <summary>The capture is on disk.</summary>
    public void Written(List<HostRun> captured)
    {
        if (captured.Count > 0)
        {
            _written.Enqueue((grace.Advance(), captured));
        }
    }

    /// <summary>Frees what is ripe.</summary>
    public async ValueTask ReleaseRipeAsync(
        ImageTables tables, Refcounts refcounts, ClusterAllocator allocator, CancellationToken cancellationToken)
    {
        while (_written.TryPeek(out (GracePeriod.Generation Readers, List<HostRun> Runs) oldest) && grace.HasEnded(oldest.Readers))
        {
            // Off the list first: if this stops half way, the rest leaks, and nothing is freed twice.
            _written.Dequeue();
            tables.Compressed.Forget();
            foreach (HostRun run in Joined(oldest.Runs))
            {
                await ReleaseAsync(run, tables, refcounts, allocator, cancellationToken);
            }
        }
    }

    private static async ValueTask ReleaseAsync(
        HostRun run, ImageTables tables, Refcounts refcounts, ClusterAllocator allocator, CancellationToken cancellationToken)
    {
        long freeFrom = run.First;
        for (long cluster = run.First; cluster <= run.First + run.Count; cluster++)
        {
            if (cluster < run.First + run.Count && await refcounts.DecrementAsync(cluster, cancellationToken) == 0)
            {
                continue;
            }

            // Still under the lock: nobody has been given these clusters yet.
            await TrimAsync(tables, freeFrom << tables.Geometry.ClusterBits, cluster << tables.Geometry.ClusterBits, cancellationToken);
            freeFrom = cluster + 1;
        }

        allocator.Return(run.First);
    }

    private static ValueTask TrimAsync(ImageTables tables, long start, long end, CancellationToken cancellationToken)
    {
        IBlockDevice file = tables.File;
        end = Math.Min(end, file.Length);
        start = Math.Max(start, tables.FirstPlace << tables.Geometry.ClusterBits);
        return start < end && file.Traits.CanTrim ? file.TrimAsync(start, end - start, cancellationToken) : ValueTask.CompletedTask;
    }

    // A cluster that several compressed clusters shared is in the list several times: such runs overlap and are not joined.
    private static List<HostRun> Joined(List<HostRun> runs)
    {
        var joined = new List<HostRun>();
        foreach (HostRun run in runs.OrderBy(run => run.First))
        {
            if (joined.Count > 0 && joined[^1].Joins(run))
            {
                joined[^1] = joined[^1] with { Count = joined[^1].Count + run.Count };
            }
            else
            {
                joined.Add(run);
            }
        }

        return joined;
    }
}
