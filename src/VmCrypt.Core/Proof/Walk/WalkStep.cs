using System.Runtime.CompilerServices;
using VmCrypt.Core.Block;
using VmCrypt.Core.Images;

namespace VmCrypt.Core.Proof.Walk;

/// <summary>Neighbouring areas that are looked at as one.</summary>
/// <param name="Areas">In order, without gaps.</param>
/// <param name="Storage">What is behind all of them; only <see cref="ExtentKind.Data"/> needs to be read.</param>
internal readonly record struct WalkStep(IReadOnlyList<HostArea> Areas, ExtentKind Storage)
{
    /// <summary>So much is read at a time; it stays in the second-level cache while it is looked at.</summary>
    public const int MaxBytes = 1024 * 1024;

    public long Offset => Areas[0].Offset;

    public int Length => (int)(Areas[^1].End - Areas[0].Offset);

    /// <summary>The way through a layer: every byte of it once, in the order of the file.</summary>
    public static async IAsyncEnumerable<WalkStep> ThroughAsync(ProofLayer layer, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using IEnumerator<HostArea> areas = layer.Areas.GetEnumerator();
        var batch = new List<HostArea>();
        long batched = 0;
        HostArea area = default;
        await foreach (Extent extent in layer.File.ExtentsAsync(0, layer.File.Length, cancellationToken))
        {
            for (long at = extent.Offset; at < extent.End;)
            {
                while (area.End <= at)
                {
                    // Tables that wait in a log may know of less than the file has.
                    area = areas.MoveNext() ? areas.Current : new HostArea(at, extent.End - at, HostUse.Tail);
                }

                HostArea rest = area.From(at - area.Offset);
                rest = rest with { Length = Math.Min(rest.Length, extent.End - at) };
                at = rest.End;
                bool read = extent.Kind == ExtentKind.Data && NeedsReading(rest.Use);
                if (batch.Count > 0 && (!read || batch[^1].End != rest.Offset || batched + rest.Length > MaxBytes))
                {
                    yield return new WalkStep([.. batch], ExtentKind.Data);
                    batch.Clear();
                    batched = 0;
                }

                if (!read)
                {
                    yield return new WalkStep([rest], extent.Kind);
                    continue;
                }

                for (; rest.Length > MaxBytes; rest = rest.From(MaxBytes))
                {
                    yield return new WalkStep([rest with { Length = MaxBytes }], ExtentKind.Data);
                }

                batch.Add(rest);
                batched += rest.Length;
            }
        }

        if (batch.Count > 0)
        {
            yield return new WalkStep([.. batch], ExtentKind.Data);
        }
    }

    /// <summary>Whether what is stored there decides anything: tables, headers and compressed clusters are what they are.</summary>
    public static bool NeedsReading(HostUse use) => use is not (HostUse.Metadata or HostUse.EncryptionHeader or HostUse.Compressed);
}
