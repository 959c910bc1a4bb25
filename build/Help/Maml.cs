using System.Xml.Linq;

namespace VmCrypt.Build.Help;

/// <summary>Writes pages in the form that Get-Help reads (MAML).</summary>
internal static class Maml
{
    private static readonly XNamespace s_root = "http://msh";
    private static readonly XNamespace s_maml = "http://schemas.microsoft.com/maml/2004/10";
    private static readonly XNamespace s_command = "http://schemas.microsoft.com/maml/dev/command/2004/10";
    private static readonly XNamespace s_dev = "http://schemas.microsoft.com/maml/dev/2004/10";

    public static XDocument Write(IEnumerable<HelpPage> pages) => new(
        new XElement(s_root + "helpItems",
            new XAttribute("schema", "maml"),
            new XAttribute(XNamespace.Xmlns + "maml", s_maml),
            new XAttribute(XNamespace.Xmlns + "command", s_command),
            new XAttribute(XNamespace.Xmlns + "dev", s_dev),
            pages.Select(Command)));

    private static XElement Command(HelpPage page)
    {
        string[] name = page.Name.Split('-', 2);
        return new XElement(s_command + "command",
            new XElement(s_command + "details",
                new XElement(s_command + "name", page.Name),
                new XElement(s_command + "verb", name[0]),
                new XElement(s_command + "noun", name[1]),
                Description(page.Synopsis)),
            Description(page.Description),
            new XElement(s_command + "syntax", ParameterSets(page).Select(set => Syntax(page, set))),
            new XElement(s_command + "parameters", page.Parameters.DistinctBy(parameter => parameter.Name).Select(Parameter)),
            new XElement(s_command + "inputTypes", page.Inputs.Select(type => TypeOf("inputType", type))),
            new XElement(s_command + "returnValues", page.Outputs.Select(type => TypeOf("returnValue", type))),
            new XElement(s_maml + "alertSet", new XElement(s_maml + "alert", Paragraphs(page.Notes))),
            new XElement(s_command + "examples", page.Examples.Select(Example)),
            new XElement(s_command + "relatedLinks", page.Links.Select(Link)));
    }

    private static string[] ParameterSets(HelpPage page)
    {
        string[] named = [.. page.Parameters.SelectMany(parameter => parameter.ParameterSets).Where(set => set != "(All)").Distinct()];
        return named.Length > 0 ? named : ["(All)"];
    }

    private static XElement Syntax(HelpPage page, string set) => new(s_command + "syntaxItem",
        new XElement(s_maml + "name", page.Name),
        page.Parameters.Where(parameter => parameter.IsIn(set))
            .OrderBy(parameter => int.TryParse(parameter.Attributes["Position"], out int position) ? position : int.MaxValue)
            .ThenByDescending(parameter => parameter.Attributes["Required"])
            .Select(Parameter));

    private static XElement Parameter(HelpParameter parameter) => new(s_command + "parameter",
        new XAttribute("required", Boolean(parameter.Attributes["Required"])),
        new XAttribute("variableLength", "true"),
        new XAttribute("globbing", Boolean(parameter.Attributes["Accept wildcard characters"])),
        new XAttribute("pipelineInput", parameter.Attributes["Accept pipeline input"]),
        new XAttribute("position", parameter.Attributes["Position"].ToLowerInvariant()),
        new XAttribute("aliases", parameter.Attributes["Aliases"] is { Length: > 0 } aliases ? aliases : "none"),
        new XElement(s_maml + "name", parameter.Name),
        Description(parameter.Description),
        parameter.IsSwitch ? null : new XElement(s_command + "parameterValue",
            new XAttribute("required", Boolean(parameter.Attributes["Required"])),
            new XAttribute("variableLength", "false"),
            parameter.Attributes["Type"]),
        new XElement(s_dev + "type", new XElement(s_maml + "name", parameter.Attributes["Type"])),
        new XElement(s_dev + "defaultValue", parameter.Attributes["Default value"]));

    private static XElement TypeOf(string element, HelpType type) => new(s_command + element,
        new XElement(s_dev + "type", new XElement(s_maml + "name", type.Name)),
        Description(type.Description));

    private static XElement Example(HelpExample example) => new(s_command + "example",
        new XElement(s_maml + "title", example.Title),
        new XElement(s_dev + "code", example.Code),
        new XElement(s_dev + "remarks", Paragraphs(example.Remarks)));

    private static XElement Link((string Text, string Uri) link) => new(s_maml + "navigationLink",
        new XElement(s_maml + "linkText", link.Text),
        new XElement(s_maml + "uri", link.Uri));

    private static XElement Description(IReadOnlyList<string> paragraphs) => new(s_maml + "description", Paragraphs(paragraphs));

    private static IEnumerable<XElement> Paragraphs(IReadOnlyList<string> paragraphs) =>
        paragraphs.Select(paragraph => new XElement(s_maml + "para", paragraph));

    private static string Boolean(string text) => text.ToLowerInvariant();
}
