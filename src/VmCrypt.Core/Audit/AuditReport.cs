namespace VmCrypt.Core.Audit;

public enum AuditBreakKind
{
    /// <summary>The line is no entry, or its bytes are not those that were hashed.</summary>
    LineDamaged,

    /// <summary>The line does not follow the one before it: something between them was changed, moved or taken out.</summary>
    ChainBroken,

    /// <summary>The log ends before the entry that its head file names.</summary>
    EntriesMissing,
}

/// <summary>A place where the chain does not hold; lines count from 1.</summary>
public sealed record AuditBreak(long Line, AuditBreakKind Kind, string Reason);

/// <summary>What reading the whole log found.</summary>
public sealed record AuditReport
{
    public required string Path { get; init; }

    public required long Entries { get; init; }

    /// <summary>The newest entry; its hash, noted elsewhere, proves later that nothing before it was changed.</summary>
    public required AuditReceipt Head { get; init; }

    /// <summary>Empty where the chain is unbroken; at most <see cref="AuditVerifier.MaxBreaks"/> are listed.</summary>
    public required IReadOnlyList<AuditBreak> Breaks { get; init; }

    /// <summary>Lines that a crash left torn: repaired ones, and one at the end that the next entry will repair.</summary>
    public required int TornLines { get; init; }

    /// <summary>Whether the entry that was asked for is in the log; null where none was.</summary>
    public bool? ContainsEntry { get; init; }

    public bool IsUnbroken => Breaks.Count == 0;
}
