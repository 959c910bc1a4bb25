using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Refcounts as the file has them, for a check; a block that cannot be read counts as absent.</summary>
internal sealed class CountedRefcounts(IBlockDevice file, Qcow2Metadata metadata)
{
    private readonly Qcow2Geometry _geometry = metadata.Geometry;
    private readonly Dictionary<long, byte[]?> _blocks = [];
    private PointerTable? _table;

    public ValueTask<ulong> OfEntryAsync(ReferenceWalk.MappedCluster entry, CancellationToken cancellationToken) =>
        OfAsync((long)(entry.Value & L2Entry.OffsetMask) >> _geometry.ClusterBits, cancellationToken);

    public async ValueTask<ulong> OfAsync(long cluster, CancellationToken cancellationToken)
    {
        long index = cluster / _geometry.RefcountsPerBlock;
        if (!_blocks.TryGetValue(index, out byte[]? block))
        {
            _blocks[index] = block = await ReadBlockAsync(index, cancellationToken);
        }

        return block is null ? 0 : RefcountEntry.Read(block, (int)(cluster % _geometry.RefcountsPerBlock), _geometry.RefcountBits);
    }

    private async ValueTask<byte[]?> ReadBlockAsync(long index, CancellationToken cancellationToken)
    {
        _table ??= await PointerTable.ReadAsync(file, (long)metadata.Header.RefcountTableOffset,
            (int)metadata.Header.RefcountTableClusters * (_geometry.ClusterSize / sizeof(ulong)), cancellationToken);
        ulong offset = index < _table.Count ? _table[index] & Refcounts.BlockOffsetMask : 0;
        if (offset == 0 || !_geometry.IsClusterAligned(offset) || offset > (ulong)Math.Max(0, file.Length - _geometry.ClusterSize))
        {
            return null;
        }

        byte[] block = new byte[_geometry.ClusterSize];
        await file.ReadAsync((long)offset, block, cancellationToken);
        return block;
    }
}
