using VmCrypt.Commands.Host;
using VmCrypt.Core.Audit;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Commands.Wipe;

/// <summary>Texts of wipes for the views of VmCrypt.Format.ps1xml.</summary>
public static class WipeDisplay
{
    private const int MapWidth = 50;

    /// <summary>A line per pass, with its rate.</summary>
    public static string? Passes(IReadOnlyList<PassReport> passes) => Lines(passes.Select(pass =>
        $"{pass.Number}: {pass.Content}, {ByteSize.Format(pass.WrittenBytes)} at {Rate(pass.WrittenBytes, pass.WriteSeconds)}"
        + (pass.VerifiedBytes > 0 ? $", {ByteSize.Format(pass.VerifiedBytes)} verified" : string.Empty)));

    /// <summary>What a standard writes, pass by pass.</summary>
    public static string Sequence(IReadOnlyList<WipePass> passes) => string.Join(' ', passes);

    public static string Count<T>(IReadOnlyCollection<T> items) => items.Count.ToString();

    /// <summary>The name alone, for a column.</summary>
    public static string Name(WipeStandard standard) => standard.Name;

    public static string? Findings(IReadOnlyList<WipeFinding> findings) => Lines(findings.Select(finding => $"{finding.Weight}: {finding.Text}"));

    public static string Exceptions(IReadOnlyList<WipeFinding> findings) =>
        string.Join(", ", findings.Where(finding => finding.Weight != FindingWeight.Note).Select(finding => finding.Kind).Distinct());

    public static string? FileSystem(MediumFacts facts) => facts.FileSystem is { } fileSystem ? $"{fileSystem.Type} at {fileSystem.Place} ({fileSystem.Nature})" : null;

    public static string? Covered(MediumFacts facts) =>
        Display.Size(facts.AllocatedBytes) + (facts.ExtentCount is { } extents ? $" in {extents} extents" : string.Empty);

    public static string? Keys(KeyErasure? keys) =>
        keys is null ? null : $"{keys.SlotsDestroyed} key slots of {keys.Header} {keys.Uuid} destroyed, {(keys.Verified ? "verified" : "NOT verified")}";

    public static string? Receipt(AuditReceipt? receipt) => receipt is null ? null : $"{receipt.Sequence}: {receipt.Hash}";

    public static string? Breaks(IReadOnlyList<AuditBreak> breaks) => Lines(breaks.Select(found => $"line {found.Line}: {found.Reason}"));

    /// <summary>The map in one line; of the parts that share a letter, the one that matters most shows.</summary>
    public static string Map(string map)
    {
        const string byWeight = "UXE.";
        return string.Concat(map.Chunk(Math.Max(1, (map.Length + MapWidth - 1) / MapWidth)).Select(part => byWeight.First(part.Contains)));
    }

    private static string Rate(long bytes, double seconds) => seconds > 0 ? $"{ByteSize.Format((long)(bytes / seconds))}/s" : "once";

    private static string? Lines(IEnumerable<string> lines) => string.Join('\n', lines) is { Length: > 0 } text ? text : null;
}
