using System.Reflection;
using System.Text;
using VmCrypt.Cli.Binding;

namespace VmCrypt.Cli.Help;

/// <summary>The pages of docs/en-US, as plain text.</summary>
internal static class HelpText
{
    private const int LineWidth = 100;

    public static string Version => typeof(HelpText).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    public static string Overview()
    {
        var text = new StringBuilder();
        text.AppendLine($"VmCrypt {Version}: encrypted VM disks, byte-compatible with QEMU and cryptsetup.");
        text.AppendLine();
        int width = CommandInfo.All.Max(command => command.Name.Length);
        foreach (CommandInfo command in CommandInfo.All)
        {
            text.AppendLine($"  {command.Name.PadRight(width)}  {Synopsis(command)}");
        }

        text.AppendLine();
        text.AppendLine("vmcrypt <Command> -Help tells more about one; -Json, -List, -Verbose and -ErrorAction go with every one.");
        text.AppendLine("A secret is given as file:PATH, env:NAME, fd:N or - (standard input), or asked for on the terminal.");
        return text.ToString();
    }

    /// <summary>A command's whole page, without the tables of attributes that are there for PowerShell.</summary>
    public static string Of(CommandInfo command)
    {
        var text = new StringBuilder();
        string? fence = null;
        foreach (string line in Lines(command).SkipWhile(line => !line.StartsWith('#')))
        {
            if (line.StartsWith("```", StringComparison.Ordinal))
            {
                fence = fence is null ? line : null;
            }
            else if (fence is null)
            {
                AppendWrapped(text, line.TrimStart('#', ' '));
            }
            else if (fence != "```yaml")
            {
                text.AppendLine($"    {line}");
            }
        }

        return text.ToString();
    }

    private static void AppendWrapped(StringBuilder text, string line)
    {
        int used = 0;
        foreach (string word in line.Split(' '))
        {
            bool breaks = used > 0 && used + 1 + word.Length > LineWidth;
            text.Append(used == 0 ? string.Empty : breaks ? Environment.NewLine : " ").Append(word);
            used = breaks ? word.Length : used + 1 + word.Length;
        }

        text.AppendLine();
    }

    private static string Synopsis(CommandInfo command) =>
        Lines(command).SkipWhile(line => line != "## SYNOPSIS").Skip(1).First(line => line.Length > 0);

    private static string[] Lines(CommandInfo command)
    {
        using Stream page = typeof(HelpText).Assembly.GetManifestResourceStream("docs/" + command.Name)
            ?? throw new InvalidOperationException($"docs/en-US/{command.Name}.md does not exist.");
        using var reader = new StreamReader(page);
        return reader.ReadToEnd().ReplaceLineEndings("\n").Split('\n');
    }
}
