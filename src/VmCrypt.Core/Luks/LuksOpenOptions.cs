namespace VmCrypt.Core.Luks;

/// <summary>What the caller knows about a header before it is read.</summary>
public sealed record LuksOpenOptions
{
    public static LuksOpenOptions Default { get; } = new();

    public LuksPlacement Placement { get; init; } = LuksPlacement.Attached;
}
