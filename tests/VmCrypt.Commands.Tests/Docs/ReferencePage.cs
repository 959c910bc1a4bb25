using System.Management.Automation;
using System.Text;
using VmCrypt.Cli.Binding;

namespace VmCrypt.Commands.Tests.Docs;

/// <summary>What a page of docs/en-US must say because the attributes say it: SYNTAX, and the block beneath each parameter.</summary>
internal sealed class ReferencePage(CommandInfo command)
{
    private const int LineWidth = 110;

    private const string WhatIfText = "Shows what would happen, and changes nothing.";
    private const string ConfirmText = "Asks before every change; `-Confirm:$false` asks before none.";
    private const string CommonText =
        "This cmdlet supports the common parameters: -Debug, -ErrorAction, -ErrorVariable, -InformationAction, -InformationVariable, "
        + "-OutBuffer, -OutVariable, -PipelineVariable, -ProgressAction, -Verbose, -WarningAction and -WarningVariable; "
        + "vmcrypt knows -ErrorAction, -Verbose, -Json and -Help. "
        + "For more information, see [about_CommonParameters](http://go.microsoft.com/fwlink/?LinkID=113216).";

    /// <summary>The page with everything generated written anew, and everything else as it is.</summary>
    /// <remarks>A parameter that the page does not describe gets an empty description; one that the command lacks is dropped.</remarks>
    public string Refresh(string page)
    {
        string head = page[..page.IndexOf("## SYNTAX", StringComparison.Ordinal)];
        string body = Between(page, "## DESCRIPTION", "## PARAMETERS");
        string tail = page[page.IndexOf("## INPUTS", StringComparison.Ordinal)..];
        return $"{head}## SYNTAX\n\n{Syntax()}{body}## PARAMETERS\n\n{Parameters(Descriptions(page))}{tail}";
    }

    /// <summary>The page's own words on each parameter.</summary>
    public static IReadOnlyDictionary<string, string> Descriptions(string page) =>
        Between(page, "## PARAMETERS", "## INPUTS").Split("### ").Skip(1).ToDictionary(
            section => section[..section.IndexOf('\n', StringComparison.Ordinal)].TrimStart('-'),
            section => section[section.IndexOf('\n', StringComparison.Ordinal)..].Split("```yaml")[0].Trim());

    private static string Between(string page, string from, string to) =>
        page[page.IndexOf(from, StringComparison.Ordinal)..page.IndexOf(to, StringComparison.Ordinal)];

    private string Syntax()
    {
        var text = new StringBuilder();
        foreach (string set in command.ParameterSets)
        {
            if (set != ParameterAttribute.AllParameterSets && command.ParameterSets.Count > 1)
            {
                text.Append($"### {set}{(set == command.Cmdlet.DefaultParameterSetName ? " (Default)" : string.Empty)}\n");
            }

            IEnumerable<string> parts = command.Parameters
                .Select(parameter => (parameter, declaration: parameter.In(set)))
                .Where(pair => pair.declaration is not null)
                .OrderBy(pair => pair.declaration!.Position < 0 ? int.MaxValue : pair.declaration.Position)
                .ThenByDescending(pair => pair.declaration!.Mandatory)
                .Select(pair => Usage(pair.parameter, pair.declaration!))
                .Concat(command.Cmdlet.SupportsShouldProcess ? ["[-WhatIf]", "[-Confirm]"] : [])
                .Append("[<CommonParameters>]");
            text.Append($"```\n{Wrap(command.Name, parts)}\n```\n\n");
        }

        return text.ToString();
    }

    private static string Usage(CommandParameter parameter, ParameterAttribute declaration)
    {
        string name = declaration.Position >= 0 ? $"[-{parameter.Name}]" : $"-{parameter.Name}";
        string usage = parameter.IsSwitch ? name : $"{name} <{TypeName(parameter)}>";
        return declaration.Mandatory ? usage : $"[{usage}]";
    }

    private static string Wrap(string first, IEnumerable<string> parts)
    {
        var lines = new List<string> { first };
        foreach (string part in parts)
        {
            if (lines[^1].Length + 1 + part.Length > LineWidth)
            {
                lines.Add(string.Empty);
            }

            lines[^1] += $" {part}";
        }

        return string.Join('\n', lines);
    }

    private string Parameters(IReadOnlyDictionary<string, string> descriptions)
    {
        var text = new StringBuilder();
        foreach (CommandParameter parameter in command.Parameters.OrderBy(parameter => parameter.Name, StringComparer.Ordinal))
        {
            text.Append($"### -{parameter.Name}\n{descriptions.GetValueOrDefault(parameter.Name)}\n\n");
            foreach (IGrouping<string, string> block in Blocks(parameter))
            {
                string sets = string.Join(", ", block.Select(set => set == ParameterAttribute.AllParameterSets ? "(All)" : set));
                text.Append($"```yaml\nType: {TypeName(parameter)}\nParameter Sets: {sets}\n{Aliases(parameter)}\n")
                    .Append(AcceptedValues(parameter)).Append(block.Key).Append("```\n\n");
            }
        }

        if (command.Cmdlet.SupportsShouldProcess)
        {
            text.Append(Switch("WhatIf", "wi", WhatIfText)).Append(Switch("Confirm", "cf", ConfirmText));
        }

        return text.Append($"### CommonParameters\n{CommonText}\n\n").ToString();
    }

    // One block for all sets in which the parameter is the same.
    private static IEnumerable<IGrouping<string, string>> Blocks(CommandParameter parameter) =>
        parameter.Declarations.GroupBy(
            declaration => "\n"
                + $"Required: {declaration.Mandatory}\n"
                + $"Position: {(declaration.Position >= 0 ? declaration.Position.ToString() : "Named")}\n"
                + $"Default value: None\n"
                + $"Accept pipeline input: {Pipeline(declaration)}\n"
                + $"Accept wildcard characters: {parameter.SupportsWildcards}\n",
            declaration => declaration.ParameterSetName);

    private static string Pipeline(ParameterAttribute declaration) => (declaration.ValueFromPipelineByPropertyName, declaration.ValueFromPipeline) switch
    {
        (true, true) => "True (ByPropertyName, ByValue)",
        (true, false) => "True (ByPropertyName)",
        (false, true) => "True (ByValue)",
        _ => "False",
    };

    private static string Aliases(CommandParameter parameter) => $"Aliases: {string.Join(", ", parameter.Aliases)}".TrimEnd();

    private static string AcceptedValues(CommandParameter parameter)
    {
        var set = (ValidateSetAttribute?)Attribute.GetCustomAttribute(parameter.Property, typeof(ValidateSetAttribute));
        IEnumerable<string> values = set?.ValidValues ?? (parameter.ElementType.IsEnum ? Enum.GetNames(parameter.ElementType) : []);
        return values.Any() ? $"Accepted values: {string.Join(", ", values)}\n" : string.Empty;
    }

    private static string Switch(string name, string alias, string description) =>
        $"### -{name}\n{description}\n\n```yaml\nType: SwitchParameter\nParameter Sets: (All)\nAliases: {alias}\n\n"
        + "Required: False\nPosition: Named\nDefault value: None\nAccept pipeline input: False\nAccept wildcard characters: False\n```\n\n";

    private static string TypeName(CommandParameter parameter) => parameter.ElementType.Name + (parameter.IsArray ? "[]" : string.Empty);
}
