using System.Text.RegularExpressions;

namespace VmCrypt.Core.Tests.Architecture;

/// <summary>Every row of docs/ORIGIN.md names tests that prove it, and those tests exist.</summary>
public sealed partial class OriginTests
{
    private static readonly string[] s_lines = File.ReadAllLines(Path.Combine(Repository.Root, "docs", "ORIGIN.md"));

    public static TheoryData<string> Rows() => [.. s_lines.Where(IsRow)];

    public static TheoryData<string> Proofs() => [.. s_lines.Where(IsRow).SelectMany(row => ProofsOf(row)).Distinct()];

    [Theory]
    [MemberData(nameof(Rows))]
    public void Row_names_a_proof(string row) => Assert.NotEmpty(ProofsOf(row));

    [Theory]
    [MemberData(nameof(Proofs))]
    public void Proof_exists(string proof)
    {
        (string file, string test) = Place(proof);

        Assert.True(File.Exists(file), $"{proof}: there is no {Path.GetRelativePath(Repository.Root, file)}.");
        Assert.Contains(test, File.ReadAllText(file).Replace("''", "'", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public void All_five_sources_are_there() =>
        Assert.Equal(["1.", "2.", "3.", "4.", "5."], s_lines.Where(line => line.StartsWith("## ", StringComparison.Ordinal)).Select(line => line[3..5]));

    // Below the head of a table and its rule.
    private static bool IsRow(string line) => line.StartsWith("| ", StringComparison.Ordinal) && !line.StartsWith("| row ", StringComparison.Ordinal);

    private static IEnumerable<string> ProofsOf(string row) => Proof().Matches(row.Split(" | ")[^1]).Select(match => match.Groups["it"].Value);

    // Core.Room.Class.Method, Interop.Room.Class.Method; pester/File: name; bench/File.
    private static (string File, string Test) Place(string proof)
    {
        string tests = Path.Combine(Repository.Root, "tests");
        if (proof.StartsWith("bench/", StringComparison.Ordinal))
        {
            return (Path.Combine(tests, proof + ".cs"), "IBench");
        }

        if (proof.Split(": ", 2) is [var suite, var name])
        {
            return (Path.Combine(tests, suite + ".Tests.ps1"), $"It '{name}'");
        }

        string[] words = proof.Split('.');
        return (Path.Combine([tests, $"VmCrypt.{words[0]}.Tests", .. words[1..^2], words[^2] + ".cs"]), $" {words[^1]}(");
    }

    [GeneratedRegex("`(?<it>(?:Core|Interop|pester|ceph|bench)[./][^`]+)`", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Proof();
}
