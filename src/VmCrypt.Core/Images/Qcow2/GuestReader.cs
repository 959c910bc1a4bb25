using System.Runtime.CompilerServices;
using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Reads the guest's view through one L1 table: data, zeros, compressed clusters, and the backing image where there is nothing.</summary>
internal sealed class GuestReader(ClusterMap map, ClusterData data, CompressedClusters compressed, BackingLayer backing)
{
    public ClusterMap Map => map;

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (!buffer.IsEmpty)
        {
            GuestRun run = await map.FindAsync(offset, buffer.Length, cancellationToken);
            Memory<byte> part = buffer[..(int)run.Length];
            switch (run.Kind)
            {
                case Qcow2MappingKind.Data:
                    await data.ReadAsync(offset, run.HostOffset, part, cancellationToken);
                    break;
                case Qcow2MappingKind.Compressed:
                    await compressed.ReadAsync(run.Entry, map.Geometry.InCluster(offset), part, cancellationToken);
                    break;
                case Qcow2MappingKind.Unallocated:
                    await backing.ReadAsync(offset, part, cancellationToken);
                    break;
                default:
                    part.Span.Clear();
                    break;
            }

            offset += run.Length;
            buffer = buffer[(int)run.Length..];
        }
    }

    public BackingLayer Backing => backing;

    /// <summary>Whether unallocated bytes at or after <paramref name="offset"/> may read as something else than zeros.</summary>
    public bool BackingReaches(long offset) => offset < backing.Length;

    /// <summary>What the run is for somebody who sees only this disk.</summary>
    public async IAsyncEnumerable<Extent> ExtentsAsync(
        long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (long end = offset + count; offset < end;)
        {
            GuestRun run = await map.FindAsync(offset, end - offset, cancellationToken);
            if (run.Kind != Qcow2MappingKind.Unallocated)
            {
                yield return new Extent(offset, run.Length, run.Kind == Qcow2MappingKind.Zero ? ExtentKind.Zero : ExtentKind.Data);
            }
            else
            {
                long shown = Math.Clamp(backing.Length - offset, 0, run.Length);
                await foreach (Extent extent in backing.ExtentsAsync(offset, shown, cancellationToken))
                {
                    yield return extent;
                }

                if (shown < run.Length)
                {
                    yield return new Extent(offset + shown, run.Length - shown, ExtentKind.Hole);
                }
            }

            offset += run.Length;
        }
    }
}
