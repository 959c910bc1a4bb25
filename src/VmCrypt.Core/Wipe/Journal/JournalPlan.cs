using System.Text.Json;
using System.Text.Json.Serialization;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Standards;
using VmCrypt.Core.Wipe.Targets;

namespace VmCrypt.Core.Wipe.Journal;

/// <summary>What a wipe set out to do; with the seed beside it, all that another process needs to go on.</summary>
internal sealed record JournalPlan
{
    public required TargetKind Kind { get; init; }

    /// <summary>The path or NBD URI.</summary>
    public required string Path { get; init; }

    /// <summary>Of the target, as <c>WipeTarget.Identity</c> words it.</summary>
    public required string Identity { get; init; }

    /// <summary>The target's own length in bytes, which it gets back at the end.</summary>
    public required long Length { get; init; }

    /// <summary>Digest of the ranges that the passes cover.</summary>
    public required byte[] MapDigest { get; init; }

    /// <summary>Digest of what lay where when it began; null where nobody tells.</summary>
    public required byte[]? PhysicalDigest { get; init; }

    public required StandardRow Standard { get; init; }

    public required VerifyMode Verify { get; init; }

    public required long BytesPerSecond { get; init; }

    public required bool Idle { get; init; }

    public required AfterWipe After { get; init; }

    public required bool AllowLinks { get; init; }

    /// <summary>The file of a detached LUKS header whose key slots are to be destroyed.</summary>
    public required string? HeaderPath { get; init; }

    public required string? VM { get; init; }

    /// <summary>What was known of the target before anything was changed, and is to be said in the end.</summary>
    public required WipeFinding[] Known { get; init; }

    public required DateTimeOffset Started { get; init; }

    public static JournalPlan Of(WipeTarget target, WipeRequest request, WipeStandard standard, WipeFinding[] known, TimeProvider clock) => new()
    {
        Kind = target.Facts.Kind,
        Path = target.Facts.Path,
        Identity = target.Identity,
        Length = target.Facts.Length,
        MapDigest = target.Map.Digest(),
        PhysicalDigest = target.PhysicalDigest,
        Standard = standard.ToRow(),
        Verify = request.Verify ?? standard.Verify,
        BytesPerSecond = request.BytesPerSecond,
        Idle = request.Idle,
        After = request.After,
        AllowLinks = request.AllowLinks,
        HeaderPath = request.HeaderPath,
        VM = request.VM,
        Known = known,
        Started = clock.GetUtcNow(),
    };

    /// <summary>The request as it was; what had to be confirmed was confirmed then.</summary>
    public WipeRequest ToRequest() => new()
    {
        Path = Path,
        Standard = new WipeStandard(Standard, builtIn: false),
        Verify = Verify,
        BytesPerSecond = BytesPerSecond,
        Idle = Idle,
        After = After,
        AllowLinks = AllowLinks,
        HeaderPath = HeaderPath,
        VM = VM,
        Force = true,
        Confirmed = true,
    };
}

[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Strict, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true,
    IgnoreReadOnlyProperties = true)]
[JsonSerializable(typeof(JournalPlan))]
[JsonSerializable(typeof(RunState))]
internal sealed partial class JournalContext : JsonSerializerContext;
