namespace VmCrypt.Core.Images.Qcow;

/// <summary>The sizes that follow from a valid version 1 header, and the meaning of its table entries.</summary>
/// <remarks>
/// An L1 entry is the offset of an L2 table, an L2 entry that of a cluster; 0 is none. Bit 63 of an L2 entry marks a compressed
/// cluster: the low 63 - cluster_bits bits are its offset, the cluster_bits above them its length, both in bytes.
/// </remarks>
internal sealed record QcowGeometry(int ClusterBits, int L2Bits)
{
    private const ulong CompressedFlag = 1UL << 63;

    public int ClusterSize => 1 << ClusterBits;

    public int L2TableBytes => sizeof(ulong) << L2Bits;

    /// <summary>Guest bytes under one L2 table.</summary>
    public long L2Coverage => 1L << (ClusterBits + L2Bits);

    public long L1EntriesFor(long size) => (size / L2Coverage) + (size % L2Coverage == 0 ? 0 : 1);

    public int L1Index(long offset) => (int)(offset >> (ClusterBits + L2Bits));

    public int L2Index(long offset) => (int)(offset >> ClusterBits & ((1 << L2Bits) - 1));

    public static bool IsCompressed(ulong entry) => (entry & CompressedFlag) != 0;

    public (long Offset, int Length) CompressedPlace(ulong entry)
    {
        int offsetBits = 63 - ClusterBits;
        return ((long)(entry & ((1UL << offsetBits) - 1)), (int)(entry >> offsetBits & (ulong)(ClusterSize - 1)));
    }
}
