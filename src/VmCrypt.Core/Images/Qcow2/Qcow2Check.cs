using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>What a check of an image's tables has found.</summary>
public sealed record Qcow2CheckResult
{
    /// <summary>References that are invalid, or not counted: guest data is or will be lost.</summary>
    public required long Corruptions { get; init; }

    /// <summary>Clusters that are counted, but not referred to: wasted space, no harm.</summary>
    public required long LeakedClusters { get; init; }

    public required long AllocatedClusters { get; init; }

    /// <summary>One sentence each; the first <see cref="Qcow2Check.MaxFindings"/>.</summary>
    public required IReadOnlyList<string> Findings { get; init; }
}

/// <summary>Compares the reference counts of an image with what its tables refer to. Needs no key and changes nothing.</summary>
public static class Qcow2Check
{
    public const int MaxFindings = 100;

    /// <param name="file">The image file, which stays the caller's; nobody may write to it meanwhile.</param>
    /// <exception cref="InvalidImageException">The header breaks a rule.</exception>
    public static async ValueTask<Qcow2CheckResult> RunAsync(IBlockDevice file, CancellationToken cancellationToken)
    {
        Qcow2Metadata metadata = await Qcow2Metadata.ReadAsync(file, cancellationToken);
        var findings = new Findings();
        var counted = new CountedRefcounts(file, metadata);
        var walk = new ReferenceWalk(file, metadata, findings.Corruption);
        await walk.RunAsync(async entry => CheckCopiedFlag(entry, await counted.OfEntryAsync(entry, cancellationToken), findings), cancellationToken);

        long clusters = Math.Max(walk.Counts.End, metadata.Geometry.ClusterCount(file.Length));
        for (long cluster = 0; cluster < clusters; cluster++)
        {
            ulong refcount = await counted.OfAsync(cluster, cancellationToken);
            ulong references = walk.Counts[cluster];
            if (refcount < references)
            {
                findings.Corruption($"Cluster {cluster} has the refcount {refcount}, but {references} references.");
            }
            else if (refcount > references)
            {
                findings.Leak($"Cluster {cluster} has the refcount {refcount}, but {references} references.");
            }
        }

        return new Qcow2CheckResult
        {
            Corruptions = findings.Corruptions,
            LeakedClusters = findings.Leaks,
            AllocatedClusters = walk.AllocatedClusters,
            Findings = findings.Sentences,
        };
    }

    private static void CheckCopiedFlag(ReferenceWalk.MappedCluster entry, ulong refcount, Findings findings)
    {
        bool copied = (entry.Value & L2Entry.CopiedFlag) != 0;
        if (copied != (refcount == 1))
        {
            findings.Corruption($"The {(entry.IsL2Table ? "L1" : "L2")} entry 0x{entry.Value:x16} " +
                $"{(copied ? "says" : "does not say")} that its refcount is one, but it is {refcount}.");
        }
    }

    private sealed class Findings
    {
        public long Corruptions { get; private set; }

        public long Leaks { get; private set; }

        public List<string> Sentences { get; } = [];

        public void Corruption(string sentence)
        {
            Corruptions++;
            Note(sentence);
        }

        public void Leak(string sentence)
        {
            Leaks++;
            Note(sentence);
        }

        private void Note(string sentence)
        {
            if (Sentences.Count < MaxFindings)
            {
                Sentences.Add(sentence);
            }
        }
    }
}
