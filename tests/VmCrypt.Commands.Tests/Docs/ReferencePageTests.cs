using System.Text.RegularExpressions;
using VmCrypt.Cli.Binding;
using VmCrypt.Core.Tests.Architecture;

namespace VmCrypt.Commands.Tests.Docs;

/// <summary>Holds the pages against the attributes. With VMCRYPT_UPDATE_DOCS=1 in the environment it rewrites what is generated.</summary>
public sealed partial class ReferencePageTests
{
    private static readonly string s_folder = Path.Combine(Repository.Root, "docs", "en-US");
    private static readonly bool s_update = Environment.GetEnvironmentVariable("VMCRYPT_UPDATE_DOCS") == "1";

    public static TheoryData<string> Commands() => [.. CommandInfo.All.Select(command => command.Name)];

    [Theory]
    [MemberData(nameof(Commands))]
    public void Page_says_what_the_attributes_say(string name)
    {
        string path = Path.Combine(s_folder, name + ".md");
        string page = File.ReadAllText(path);
        string expected = new ReferencePage(CommandInfo.Find(name)).Refresh(page);
        if (s_update)
        {
            File.WriteAllText(path, expected);
        }

        Assert.Equal(expected, s_update ? expected : page);
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void Every_parameter_is_described(string name)
    {
        IReadOnlyDictionary<string, string> descriptions = ReferencePage.Descriptions(File.ReadAllText(Path.Combine(s_folder, name + ".md")));

        Assert.All(CommandInfo.Find(name).Parameters, parameter =>
            Assert.False(string.IsNullOrEmpty(descriptions.GetValueOrDefault(parameter.Name)), $"{name} -{parameter.Name} has no description."));
    }

    /// <summary>An example is a promise for both hosts: the commands and parameters in it exist.</summary>
    [Theory]
    [MemberData(nameof(Commands))]
    public void Examples_name_parameters_that_exist(string name)
    {
        string page = File.ReadAllText(Path.Combine(s_folder, name + ".md"));
        string[] lines = [.. CodeBlock().Matches(page).SelectMany(match => match.Groups["it"].Value.Split('\n', '|'))];

        Assert.Contains(lines, line => line.Contains(name, StringComparison.Ordinal));
        Assert.All(lines, line =>
        {
            if (CommandInfo.All.FirstOrDefault(command => line.Contains(command.Name, StringComparison.Ordinal)) is { } command)
            {
                string arguments = line[(line.IndexOf(command.Name, StringComparison.Ordinal) + command.Name.Length)..];
                Assert.All(Parameter().Matches(arguments), match =>
                    Assert.Contains(match.Groups["it"].Value, command.Parameters.Concat(CommonParameters.For(command)).Select(parameter => parameter.Name)));
            }
        });
    }

    [Fact]
    public void Every_page_is_of_a_command_or_a_topic() => Assert.All(
        Directory.GetFiles(s_folder, "*.md").Select(Path.GetFileNameWithoutExtension),
        page => Assert.True(page!.StartsWith("about_", StringComparison.Ordinal) || CommandInfo.All.Any(command => command.Name == page)));

    [Fact]
    public void The_manifest_exports_every_command()
    {
        string manifest = File.ReadAllText(Path.Combine(Repository.Root, "VmCrypt.psd1"));
        string exports = ExportList().Match(manifest).Groups["it"].Value;

        Assert.Equal(
            CommandInfo.All.Select(command => command.Name).Order(StringComparer.Ordinal),
            Quoted().Matches(exports).Select(match => match.Groups["it"].Value).Order(StringComparer.Ordinal));
    }

    [GeneratedRegex(@"```powershell\n(?<it>.*?)```", RegexOptions.Singleline)]
    private static partial Regex CodeBlock();

    [GeneratedRegex(@"(?<=\s)-(?<it>[A-Z]\w+)")]
    private static partial Regex Parameter();

    [GeneratedRegex(@"CmdletsToExport\s*=\s*@\((?<it>[^)]*)\)")]
    private static partial Regex ExportList();

    [GeneratedRegex("'(?<it>[^']+)'")]
    private static partial Regex Quoted();
}
