using VmCrypt.Core.Images;

namespace VmCrypt.Core.Proof.Walk;

/// <summary>Neighbouring bytes of one area that look alike.</summary>
/// <param name="State">A letter of <see cref="ProofMap"/>.</param>
/// <param name="Zeros">Of them, bytes in sectors of zeros.</param>
internal readonly record struct StateRun(HostArea Area, char State, long Zeros, FindingKind? Flaw, string? Detail)
{
    public bool Joins(in StateRun next) => State == next.State && Flaw == next.Flaw && Detail == next.Detail && Area.Joins(next.Area);
}

/// <summary>What one step of the walk has found.</summary>
internal sealed class StepResult
{
    public List<StateRun> Runs { get; } = [];

    /// <summary>Blocks by entropy, <see cref="LayerProof.EntropyStepsPerBit"/> to a bit.</summary>
    public int[] Entropy { get; } = new int[(8 * LayerProof.EntropyStepsPerBit) + 1];

    public List<SectorMark> Marks { get; } = [];

    public long Decrypted { get; set; }

    public long Structured { get; set; }

    public void Add(in StateRun run)
    {
        if (Runs.Count > 0 && Runs[^1].Joins(run))
        {
            StateRun last = Runs[^1];
            Runs[^1] = last with { Area = last.Area with { Length = last.Area.Length + run.Area.Length }, Zeros = last.Zeros + run.Zeros };
        }
        else
        {
            Runs.Add(run);
        }
    }
}
