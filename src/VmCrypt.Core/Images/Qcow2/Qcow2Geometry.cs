namespace VmCrypt.Core.Images.Qcow2;

/// <summary>The sizes that follow from a valid header; offsets and lengths in bytes.</summary>
internal sealed record Qcow2Geometry(int ClusterBits, int RefcountBits, bool ExtendedL2)
{
    public const int SubclustersPerExtendedCluster = 32;

    private readonly int _l2Bits = ClusterBits - (ExtendedL2 ? 4 : 3);

    public int ClusterSize { get; } = 1 << ClusterBits;

    /// <summary>The unit of mapping: a 32nd of a cluster with extended L2 entries, else the cluster.</summary>
    public int SubclusterSize { get; } = ExtendedL2 ? (1 << ClusterBits) / SubclustersPerExtendedCluster : 1 << ClusterBits;

    public int L2EntrySize { get; } = ExtendedL2 ? 16 : 8;

    /// <summary>Entries of one L2 table.</summary>
    public int L2Entries => 1 << _l2Bits;

    /// <summary>Guest bytes under one L2 table, a power of two.</summary>
    public long L2Coverage => (long)L2Entries << ClusterBits;

    /// <summary>The L1 entry of a guest offset.</summary>
    public long L1Index(long offset) => offset >> (ClusterBits + _l2Bits);

    /// <summary>Clusters counted in one refcount block.</summary>
    public int RefcountsPerBlock { get; } = (int)((8L << ClusterBits) / RefcountBits);

    public ulong MaxRefcount => RefcountBits == 64 ? ulong.MaxValue : (1UL << RefcountBits) - 1;

    /// <summary>The part of a table that is cached and written as one; small, so that random access to large tables stays cheap.</summary>
    public int PageSize => Math.Min(ClusterSize, 4096);

    public long ClusterStart(long offset) => offset & -(long)ClusterSize;

    public int InCluster(long offset) => (int)(offset & (ClusterSize - 1));

    public long ClusterIndex(long offset) => offset >> ClusterBits;

    public long ClusterCount(long bytes) => (bytes >> ClusterBits) + (InCluster(bytes) == 0 ? 0 : 1);

    public bool IsClusterAligned(ulong offset) => (offset & (ulong)(ClusterSize - 1)) == 0;

    /// <summary>L1 entries that a disk of <paramref name="virtualSize"/> bytes needs.</summary>
    public long L1EntriesFor(long virtualSize)
    {
        long coverage = L2Coverage;
        return (virtualSize / coverage) + (virtualSize % coverage == 0 ? 0 : 1);
    }
}
