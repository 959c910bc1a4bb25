namespace VmCrypt.Core.Images.Qcow2;

/// <summary>What each cluster of a file is for; eight bytes per cluster that is used, whatever order they come in.</summary>
/// <remarks>Where tables contradict each other a cluster counts as guest data: that is what must not stay unseen.</remarks>
internal sealed class ClusterUses(int clusterBits)
{
    private const int PageClusters = 4096;
    private const int UseShift = 56;

    private readonly SortedDictionary<long, ulong[]> _pages = [];
    private readonly SortedDictionary<long, HostArea> _compressed = [];

    public void Add(HostArea area)
    {
        if (area.Use == HostUse.Compressed)
        {
            // Each snapshot, and each entry of a hostile table, may name the same ones again.
            if (!_compressed.TryGetValue(area.Offset, out HostArea known) || known.Length < area.Length)
            {
                _compressed[area.Offset] = area;
            }

            return;
        }

        for (long cluster = area.Offset >> clusterBits; cluster << clusterBits < area.End; cluster++)
        {
            ref ulong entry = ref Entry(cluster);
            if (Weight((HostUse)(entry >> UseShift)) < Weight(area.Use))
            {
                long guest = area.Guest < 0 ? 0 : ((area.Guest - area.Offset) >> clusterBits) + cluster + 1;
                entry = ((ulong)area.Use << UseShift) | (ulong)guest;
            }
        }
    }

    /// <summary>What was added, in order.</summary>
    public IEnumerable<HostArea> Areas()
    {
        HostArea[] compressed = [.. _compressed.Values];
        int next = 0;
        foreach (HostArea area in HostAreas.Join(Clusters()))
        {
            for (; next < compressed.Length && compressed[next].Offset < area.Offset; next++)
            {
                yield return Compressed(compressed, next);
            }

            yield return area;
        }

        for (; next < compressed.Length; next++)
        {
            yield return Compressed(compressed, next);
        }
    }

    // Entries count whole sectors, of which the next compressed cluster may have the rest.
    private static HostArea Compressed(HostArea[] compressed, int index)
    {
        HostArea area = compressed[index];
        long end = index + 1 < compressed.Length ? Math.Min(area.End, compressed[index + 1].Offset) : area.End;
        return area with { Length = end - area.Offset };
    }

    private IEnumerable<HostArea> Clusters()
    {
        foreach ((long page, ulong[] entries) in _pages)
        {
            for (int i = 0; i < entries.Length; i++)
            {
                if (entries[i] != 0)
                {
                    long guest = (long)(entries[i] & ((1UL << UseShift) - 1)) - 1;
                    yield return new HostArea(((page * PageClusters) + i) << clusterBits, 1L << clusterBits,
                        (HostUse)(entries[i] >> UseShift), guest < 0 ? -1 : guest << clusterBits);
                }
            }
        }
    }

    private ref ulong Entry(long cluster)
    {
        if (!_pages.TryGetValue(cluster / PageClusters, out ulong[]? page))
        {
            _pages[cluster / PageClusters] = page = new ulong[PageClusters];
        }

        return ref page[cluster % PageClusters];
    }

    private static int Weight(HostUse use) => use switch
    {
        HostUse.Data => 4,
        HostUse.Snapshot => 3,
        HostUse.EncryptionHeader => 2,
        HostUse.Metadata => 1,
        _ => 0,
    };
}
