using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Architecture;

/// <summary>docs/ERRORS.md is what the constants of <see cref="ErrorIds"/> say of themselves.</summary>
public sealed partial class ErrorCatalogueTests
{
    private static readonly string s_folder = Path.Combine(Repository.Root, "src", "VmCrypt.Core", "Errors");

    [Fact]
    public void The_page_lists_every_error_id() => Approved.Verify("docs/ERRORS.md", Page());

    [Fact]
    public void An_id_is_its_name() => Assert.All(
        typeof(ErrorIds).GetFields(BindingFlags.Public | BindingFlags.Static), field => Assert.Equal(field.Name, field.GetRawConstantValue()));

    [Fact]
    public void Every_id_is_used()
    {
        string code = string.Concat(Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.StartsWith(s_folder, StringComparison.Ordinal)).Select(File.ReadAllText));
        string[] unused = [.. Entries().Select(entry => entry.Id).Where(id => !Regex.IsMatch(code, $@"\b{id}\b"))];

        Assert.True(unused.Length == 0, $"Nothing raises {string.Join(", ", unused)}.");
    }

    private static string Page()
    {
        var page = new StringBuilder("""
            # Errors

            Every failure has an id that never changes its meaning. In PowerShell it is the first part of `FullyQualifiedErrorId`; `vmcrypt` prints it before the sentence.

            """);
        foreach (IGrouping<string, (string Room, string Id, string Meaning)> room in Entries().GroupBy(entry => entry.Room))
        {
            page.Append($"\n## {room.Key}\n\n| id | meaning |\n|---|---|\n");
            foreach ((string _, string id, string meaning) in room.OrderBy(entry => entry.Id, StringComparer.Ordinal))
            {
                page.Append($"| `{id}` | {meaning} |\n");
            }
        }

        return page.ToString();
    }

    private static IEnumerable<(string Room, string Id, string Meaning)> Entries() =>
        from file in Directory.EnumerateFiles(s_folder, "ErrorIds*.cs").Order(StringComparer.Ordinal)
        let room = Path.GetFileNameWithoutExtension(file).Replace("ErrorIds", string.Empty, StringComparison.Ordinal).TrimStart('.')
        from Match entry in Entry().Matches(File.ReadAllText(file))
        select (room.Length == 0 ? "General" : room, entry.Groups["id"].Value, Plain(entry.Groups["summary"].Value));

    private static string Plain(string summary) =>
        Space().Replace(Tag().Replace(summary.Replace("///", string.Empty, StringComparison.Ordinal), "$1"), " ").Trim().Replace("|", "\\|", StringComparison.Ordinal);

    [GeneratedRegex(@"<summary>(?<summary>.*?)</summary>\s*public const string (?<id>\w+) =", RegexOptions.Singleline | RegexOptions.ExplicitCapture)]
    private static partial Regex Entry();

    [GeneratedRegex("<(?:see|paramref)[^>]*(?:cref|name|langword)=\"(?:[\\w.]*\\.)?([\\w]+)\"[^>]*/>|</?c>")]
    private static partial Regex Tag();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();
}
