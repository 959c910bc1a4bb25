namespace VmCrypt.Core.Images.Qcow2;

/// <summary>How often each cluster of the file is referred to; grows with what is counted, four bytes per cluster.</summary>
internal sealed class ReferenceCounts
{
    private const int PageClusters = 4096;

    private readonly Dictionary<long, uint[]> _pages = [];

    /// <summary>One more than the highest cluster that is referred to.</summary>
    public long End { get; private set; }

    public uint this[long cluster] => _pages.TryGetValue(cluster / PageClusters, out uint[]? page) ? page[cluster % PageClusters] : 0;

    public void Add(long cluster)
    {
        if (!_pages.TryGetValue(cluster / PageClusters, out uint[]? page))
        {
            _pages[cluster / PageClusters] = page = new uint[PageClusters];
        }

        page[cluster % PageClusters]++;
        End = Math.Max(End, cluster + 1);
    }
}
