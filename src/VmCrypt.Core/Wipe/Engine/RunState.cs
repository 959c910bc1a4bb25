using System.Collections.Immutable;

namespace VmCrypt.Core.Wipe.Engine;

/// <summary>One pass as it ran.</summary>
public sealed record PassReport
{
    /// <summary>From 1.</summary>
    public required int Number { get; init; }

    /// <summary>What it wrote: <c>0xFF</c>, <c>random stream</c>.</summary>
    public required string Content { get; init; }

    public required DateTimeOffset Started { get; init; }

    /// <summary>Null while it runs.</summary>
    public DateTimeOffset? Finished { get; init; }

    public long WrittenBytes { get; init; }

    /// <summary>Time at work, interruptions left out.</summary>
    public double WriteSeconds { get; init; }

    /// <summary>Bytes read back from the medium and compared; 0 where the pass was not verified.</summary>
    public long VerifiedBytes { get; init; }

    public double VerifySeconds { get; init; }
}

/// <summary>How far a wipe is, and all that it found: with the plan, everything that a resumed run needs.</summary>
internal sealed record RunState
{
    /// <summary>The pass at work, from 1; one more than there are when all is done.</summary>
    public int Pass { get; init; } = 1;

    /// <summary>It is written and now read back.</summary>
    public bool Verifying { get; init; }

    /// <summary>Up to here the pass is on the medium, or verified.</summary>
    public long Position { get; init; }

    /// <summary>How often the wipe was interrupted and went on.</summary>
    public int Resumes { get; init; }

    /// <summary>The end of the key slots, where that comes first and has come.</summary>
    public KeyErasure? Keys { get; init; }

    /// <summary>The passes begun, in order.</summary>
    public ImmutableArray<PassReport> Passes { get; init; } = [];

    public DefectList Unwritable { get; init; } = DefectList.None;

    public DefectList Unreadable { get; init; } = DefectList.None;

    /// <summary>Places that hold other bytes than were written.</summary>
    public DefectList Mismatched { get; init; } = DefectList.None;
}
