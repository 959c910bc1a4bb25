using System.Runtime.CompilerServices;
using VmCrypt.Core.Block;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Reencryption;

/// <summary>Which bytes of a zone are stored, and so to be rewritten.</summary>
/// <remarks>
/// A hole of a plain disk reads as zeros, which somebody may rely on: it is data, unless the caller says otherwise. A hole of an encrypted
/// disk was never written or was trimmed, reads as noise, and stays a hole: nobody encrypts to zeros.
/// </remarks>
/// <param name="data">Holds the payload.</param>
/// <param name="plan">What is done to it.</param>
/// <param name="leaveHoles">Holes of a plain disk stay holes.</param>
/// <param name="partsOf">The parts of a zone that are payload, in order; null for all of it.</param>
internal sealed class ZoneMap(IBlockDevice data, IZonePlan plan, bool leaveHoles, Func<PayloadZone, IEnumerable<PayloadZone>>? partsOf = null)
{
    private const int PieceLength = 1 << 20;

    private bool KeepsHoles => leaveHoles || plan.Mode != ReencryptionMode.Encrypt;

    /// <summary>The runs of a zone in pieces that one worker takes at a time.</summary>
    public async ValueTask<List<ZoneRun>> RunsAsync(PayloadZone zone, CancellationToken cancellationToken)
    {
        var runs = new List<ZoneRun>();
        long at = 0;
        foreach (PayloadZone part in partsOf?.Invoke(zone) ?? [zone])
        {
            await foreach ((long start, long end) in StoredAsync(zone, part, at, cancellationToken))
            {
                Add(runs, at, start, isHole: true);
                Add(runs, start, end, isHole: false);
                at = end;
            }
        }

        Add(runs, at, zone.Length, isHole: true);
        return runs;
    }

    private async IAsyncEnumerable<(long Start, long End)> StoredAsync(
        PayloadZone zone, PayloadZone part, long from, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long first = part.Offset - zone.Offset;
        if (!KeepsHoles)
        {
            yield return (first, first + part.Length);
            yield break;
        }

        long source = plan.Source(zone);
        await foreach (Extent extent in data.ExtentsAsync(source + first, part.Length, cancellationToken))
        {
            // A sector that is stored in part is stored.
            long start = Math.Max(from, Align(extent.Offset - source, up: false));
            long end = Math.Min(zone.Length, Align(extent.End - source, up: true));
            if (extent.Kind == ExtentKind.Data && end > start)
            {
                yield return (start, end);
                from = end;
            }
        }
    }

    /// <summary>Nothing is stored where the zone comes from, nor where it goes: there is nothing to do.</summary>
    public async ValueTask<bool> IsIdleAsync(PayloadZone zone, IReadOnlyList<ZoneRun> runs, CancellationToken cancellationToken)
    {
        if (runs.Any(run => !run.IsHole))
        {
            return false;
        }

        if (plan.Source(zone) != plan.Target(zone))
        {
            await foreach (Extent extent in data.ExtentsAsync(plan.Target(zone), zone.Length, cancellationToken))
            {
                if (extent.Kind == ExtentKind.Data)
                {
                    return false;
                }
            }
        }

        return true;
    }

    private long Align(long at, bool up) => (at + (up ? plan.Alignment - 1 : 0)) / plan.Alignment * plan.Alignment;

    private static void Add(List<ZoneRun> runs, long start, long end, bool isHole)
    {
        for (long at = start; at < end; at += PieceLength)
        {
            runs.Add(new ZoneRun(at, Math.Min(PieceLength, end - at), isHole));
        }
    }
}
