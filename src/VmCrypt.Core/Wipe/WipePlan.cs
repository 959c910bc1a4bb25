using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Core.Wipe;

/// <summary>What a wipe would do, found out without changing anything.</summary>
public sealed record WipePlan
{
    public required MediumFacts Target { get; init; }

    /// <summary>Names this target and no other; see <see cref="WipeRequest.PlannedIdentity"/>.</summary>
    public required string Identity { get; init; }

    public required WipeStandard Standard { get; init; }

    public required VerifyMode Verify { get; init; }

    public required AfterWipe After { get; init; }

    /// <summary>What the result would have to say in any case.</summary>
    public required IReadOnlyList<WipeFinding> Findings { get; init; }

    /// <summary>Bytes to be written and read back, all passes together.</summary>
    public required long WorkBytes { get; init; }

    /// <summary>From the speed of a short read; null where there is nothing to read.</summary>
    public TimeSpan? EstimatedTime { get; init; }

    /// <summary>The wipe that this one would go on with; null where none was begun.</summary>
    public string? JournalPath { get; init; }

    /// <summary>The policy would not let it be erased, only deleted.</summary>
    public bool DeleteOnly { get; init; }
}
