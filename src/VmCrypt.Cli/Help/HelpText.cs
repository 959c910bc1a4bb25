using System.Reflection;
using System.Text;
using VmCrypt.Cli.Binding;

namespace VmCrypt.Cli.Help;

/// <summary>The pages of docs/en-US, as plain text.</summary>
internal static class HelpText
{
    public static string Version => typeof(HelpText).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    public static string Overview()
    {
        var text = new StringBuilder();
        text.AppendLine($"VmCrypt {Version}: encrypted VM disks, byte-compatible with QEMU and cryptsetup.");
        text.AppendLine();
        int width = CommandInfo.All.Max(command => command.Name.Length);
        foreach (CommandInfo command in CommandInfo.All)
        {
            text.AppendLine($"  {command.Name.PadRight(width)}  {Section(Page(command), "SYNOPSIS")}");
        }

        text.AppendLine();
        text.AppendLine("vmcrypt <Command> -Help tells more about one; -Json, -Verbose and -ErrorAction go with every one.");
        text.AppendLine("A secret is given as file:PATH, env:NAME, fd:N or - (standard input), or asked for on the terminal.");
        return text.ToString();
    }

    public static string Of(CommandInfo command)
    {
        var text = new StringBuilder();
        bool fenced = false;
        bool metadata = false;
        bool started = false;
        foreach (string line in Page(command).Split('\n'))
        {
            if (line.StartsWith("```", StringComparison.Ordinal))
            {
                fenced = !fenced;
                metadata = fenced && line == "```yaml";
            }
            else if (fenced)
            {
                _ = metadata ? text : text.AppendLine("    " + line);
            }
            else if (line.StartsWith('#'))
            {
                started = true;
                text.AppendLine(line.TrimStart('#', ' '));
            }
            else if (started)
            {
                text.AppendLine(line);
            }
        }

        return text.ToString();
    }

    private static string Section(string page, string heading)
    {
        string[] lines = page.Split('\n');
        return lines.SkipWhile(line => line != $"## {heading}").Skip(1).First(line => line.Length > 0);
    }

    private static string Page(CommandInfo command)
    {
        using Stream page = typeof(HelpText).Assembly.GetManifestResourceStream("docs/" + command.Name)
            ?? throw new InvalidOperationException($"docs/en-US/{command.Name}.md does not exist.");
        using var reader = new StreamReader(page);
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}
