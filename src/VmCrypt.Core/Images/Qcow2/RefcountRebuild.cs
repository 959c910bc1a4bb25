using System.Buffers.Binary;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Makes the refcounts of an image that was not closed (dirty bit, lazy refcounts) agree with its tables.</summary>
/// <remarks>The dirty bit is cleared last: after a crash on the way the image is still dirty, and the next writer starts over.</remarks>
internal sealed class RefcountRebuild(ImageTables tables, Refcounts refcounts, TableFlusher flusher)
{
    private readonly Qcow2Geometry _geometry = tables.Geometry;

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2RefcountInvalid"/>: more is wrong than refcounts.</exception>
    public async ValueTask RunAsync(CancellationToken cancellationToken)
    {
        await CorrectAsync(cancellationToken);
        await tables.ChangeFeaturesAsync(
            tables.Header with { Incompatible = tables.Header.Incompatible & ~Qcow2Incompatible.Dirty }, cancellationToken);
    }

    /// <summary>The same for an image that was closed: what was allocated and never used becomes free.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2RefcountInvalid"/>.</exception>
    public async ValueTask CorrectAsync(CancellationToken cancellationToken)
    {
        Qcow2Metadata metadata = await Qcow2Metadata.ReadAsync(tables.File, cancellationToken);
        ReferenceWalk walk = WalkOver(metadata);
        await walk.RunAsync(_ => ValueTask.CompletedTask, cancellationToken);
        await CorrectCountsAsync(walk.Counts, cancellationToken);
        await WalkOver(metadata).RunAsync(entry => CorrectFlagAsync(entry, walk.Counts, cancellationToken), cancellationToken);
        await flusher.FlushAsync(cancellationToken);
    }

    private ReferenceWalk WalkOver(Qcow2Metadata metadata) => new(tables.File, metadata, defect => throw Impossible(defect));

    private async ValueTask CorrectCountsAsync(ReferenceCounts counts, CancellationToken cancellationToken)
    {
        long clusters = Math.Max(counts.End, _geometry.ClusterCount(tables.File.Length));
        for (long cluster = 0; cluster < clusters; cluster++)
        {
            ulong wanted = counts[cluster];
            if (wanted == await refcounts.GetAsync(cluster, cancellationToken))
            {
                continue;
            }

            if (refcounts.BlockOf(cluster) == 0 || wanted > _geometry.MaxRefcount)
            {
                // QEMU writes new refcount blocks at once even when it is lazy, so this is no work for us.
                throw Impossible($"Cluster {cluster} has {wanted} references, which no refcount block can hold.");
            }

            using (await tables.Lock.EnterAsync(cancellationToken))
            {
                await refcounts.SetAsync(cluster, 1, wanted, cancellationToken);
            }

            await flusher.RelieveAsync(cancellationToken);
        }
    }

    /// <summary>Whether an entry of the active tables may be written without moving follows from the count.</summary>
    private async ValueTask CorrectFlagAsync(ReferenceWalk.MappedCluster entry, ReferenceCounts counts, CancellationToken cancellationToken)
    {
        long cluster = (long)(entry.Value & L2Entry.OffsetMask) >> _geometry.ClusterBits;
        ulong correct = (entry.Value & ~L2Entry.CopiedFlag) | (counts[cluster] == 1 ? L2Entry.CopiedFlag : 0);
        if (correct == entry.Value)
        {
            return;
        }

        await flusher.RelieveAsync(cancellationToken);
        using (await tables.Lock.EnterAsync(cancellationToken))
        {
            if (entry.IsL2Table)
            {
                tables.L1.Set((entry.EntryOffset - tables.L1.Offset) / sizeof(ulong), correct);
                return;
            }

            long pageOffset = entry.EntryOffset & -(long)_geometry.PageSize;
            TablePage page = await tables.Cache.GetForChangeAsync(pageOffset, TableKind.L2, cancellationToken);
            lock (page.Sync)
            {
                BinaryPrimitives.WriteUInt64BigEndian(page.Change()[(int)(entry.EntryOffset - pageOffset)..], correct);
            }
        }
    }

    private static InvalidImageException Impossible(string defect) => new(ErrorIds.Qcow2RefcountInvalid,
        $"The image's refcounts cannot be rebuilt: {defect} Try 'qemu-img check -r all'.");
}
