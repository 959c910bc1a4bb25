namespace VmCrypt.Core.Proof;

/// <summary>How thorough a test is where it has a key.</summary>
public sealed record ProofOptions
{
    /// <summary>Decrypt all that is stored, not samples.</summary>
    public bool Full { get; init; }

    /// <summary>Chooses the samples.</summary>
    public long Seed { get; init; }
}
