using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2.InPlace;

/// <summary>Which clusters of the file hold bytes of a guest, whichever table refers to them: the disk's, or that of a snapshot.</summary>
/// <remarks>
/// The IV of an encrypted sector is its place in the file, so that a cluster is converted once and where it lies, however many
/// tables share it. Those that are reserved but read as zeros count, too: nobody knows what is in them.
/// </remarks>
internal sealed class GuestClusters
{
    private readonly Qcow2Geometry _geometry;
    private readonly ReferenceCounts _guests = new();
    private ReferenceCounts _all = new();

    private GuestClusters(Qcow2Geometry geometry) => _geometry = geometry;

    /// <summary>The first byte behind everything that tables refer to.</summary>
    public long UsedEnd => _all.End << _geometry.ClusterBits;

    /// <param name="file">The image, whose header is <paramref name="metadata"/>.</param>
    /// <param name="metadata">Of the image.</param>
    /// <param name="allowCompressed">Compressed clusters, which are never encrypted, are no obstacle.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2RefcountInvalid"/>: the tables contradict each other.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.InPlaceUnsupported"/>.</exception>
    public static async ValueTask<GuestClusters> FindAsync(
        IBlockDevice file, Qcow2Metadata metadata, bool allowCompressed, CancellationToken cancellationToken)
    {
        var found = new GuestClusters(metadata.Geometry);
        var walk = new ReferenceWalk(file, metadata, defect => throw Damaged(defect)) { Referred = area => found.Add(area, allowCompressed) };
        await walk.RunAsync(_ => ValueTask.CompletedTask, cancellationToken);
        for (long cluster = 0; cluster < walk.Counts.End; cluster++)
        {
            if (found._guests[cluster] > 0 && found._guests[cluster] != walk.Counts[cluster])
            {
                throw Damaged($"Cluster {cluster} holds guest data, but is a table or compressed data as well.");
            }
        }

        found._all = walk.Counts;
        return found;
    }

    /// <summary>The runs of guest data in [offset, offset + length), in order.</summary>
    public IEnumerable<(long Offset, long Length)> Within(long offset, long length) => Runs(offset, offset + length, cluster => _guests[cluster] > 0);

    /// <summary>The runs to which nothing refers in a file of <paramref name="length"/> bytes, in order.</summary>
    /// <param name="length">Bytes of the file.</param>
    /// <param name="kept">Areas whose clusters are passed over all the same.</param>
    public IEnumerable<(long Offset, long Length)> Unused(long length, params (long Offset, long Length)[] kept)
    {
        return Runs(0, length, cluster => _all[cluster] == 0 && !kept.Any(area => IsIn(area, cluster)));

        bool IsIn((long Offset, long Length) area, long cluster) =>
            area.Offset < (cluster + 1) << _geometry.ClusterBits && cluster << _geometry.ClusterBits < area.Offset + area.Length;
    }

    private IEnumerable<(long Offset, long Length)> Runs(long offset, long end, Predicate<long> belongs)
    {
        for (long at = offset; at < end;)
        {
            long start = at;
            while (at < end && belongs(at >> _geometry.ClusterBits))
            {
                at = Math.Min(end, _geometry.ClusterStart(at) + _geometry.ClusterSize);
            }

            if (at > start)
            {
                yield return (start, at - start);
            }
            else
            {
                at = _geometry.ClusterStart(at) + _geometry.ClusterSize;
            }
        }
    }

    private void Add(HostArea area, bool allowCompressed)
    {
        if (area.Use is HostUse.Data or HostUse.Snapshot)
        {
            _guests.Add(area.Offset >> _geometry.ClusterBits);
        }
        else if (area.Use == HostUse.Compressed && !allowCompressed)
        {
            throw new UnsupportedFeatureException(ErrorIds.InPlaceUnsupported,
                "The image has internal snapshots and compressed clusters, which would stay readable without a key; delete the snapshots, or make an encrypted copy with Convert-Image.");
        }
    }

    private static InvalidImageException Damaged(string defect) => new(ErrorIds.Qcow2RefcountInvalid,
        $"The image's tables are damaged, so that it cannot be converted in its place: {defect} Try 'qemu-img check -r all'.");
}
