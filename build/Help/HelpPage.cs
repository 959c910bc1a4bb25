using Markdig;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace VmCrypt.Build.Help;

/// <summary>One page of docs/en-US, taken apart. Its shape (PlatyPS) and its agreement with the code are held by the tests.</summary>
internal sealed class HelpPage
{
    private readonly List<Section> _sections = [];

    public HelpPage(string markdown)
    {
        // The front matter is for PlatyPS; Markdig would take it for a heading.
        string text = markdown.ReplaceLineEndings("\n");
        text = text[(text.IndexOf("\n---\n", StringComparison.Ordinal) + "\n---\n".Length)..];
        var chapter = new Section(string.Empty, string.Empty);
        foreach (Block block in Markdown.Parse(text))
        {
            if (block is HeadingBlock heading)
            {
                string title = PlainText(heading.Inline);
                chapter = new Section(heading.Level == 3 ? chapter.Chapter : title, heading.Level == 3 ? title : string.Empty);
                Name = heading.Level == 1 ? title : Name;
                _sections.Add(chapter);
            }
            else
            {
                chapter.Blocks.Add(block);
            }
        }
    }

    public string Name { get; } = string.Empty;

    public IReadOnlyList<string> Synopsis => Paragraphs(Chapter("SYNOPSIS"));

    public IReadOnlyList<string> Description => Paragraphs(Chapter("DESCRIPTION"));

    public IReadOnlyList<string> Notes => Paragraphs(Chapter("NOTES"));

    public IEnumerable<HelpExample> Examples => Sections("EXAMPLES")
        .Select(section => new HelpExample(section.Title, string.Join("\n\n", section.Blocks.OfType<FencedCodeBlock>().Select(Code)), Paragraphs(section)));

    public IEnumerable<HelpType> Inputs => Types("INPUTS");

    public IEnumerable<HelpType> Outputs => Types("OUTPUTS");

    public IEnumerable<(string Text, string Uri)> Links => Chapter("RELATED LINKS").Blocks.OfType<ParagraphBlock>()
        .SelectMany(paragraph => paragraph.Inline!.Descendants<LinkInline>())
        .Select(link => (PlainText(link), link.Url ?? string.Empty));

    /// <summary>One entry per block of attributes: a parameter that differs between parameter sets has several.</summary>
    public IEnumerable<HelpParameter> Parameters =>
        from section in Sections("PARAMETERS")
        where section.Title.StartsWith('-')
        from block in section.Blocks.OfType<FencedCodeBlock>()
        where block.Info == "yaml"
        select new HelpParameter(section.Title[1..], Paragraphs(section), Attributes(block));

    private IEnumerable<HelpType> Types(string chapter) => Sections(chapter).Select(section => new HelpType(section.Title, Paragraphs(section)));

    private Section Chapter(string title) => _sections.FirstOrDefault(section => section.Chapter == title && section.Title.Length == 0)
        ?? throw new BuildException($"The page of {Name} has no chapter {title}.");

    private IEnumerable<Section> Sections(string chapter) => _sections.Where(section => section.Chapter == chapter && section.Title.Length > 0);

    private static Dictionary<string, string> Attributes(FencedCodeBlock yaml) => Code(yaml).Split('\n')
        .Select(line => line.Split(':', 2, StringSplitOptions.TrimEntries))
        .Where(pair => pair.Length == 2)
        .ToDictionary(pair => pair[0], pair => pair[1]);

    private static string Code(FencedCodeBlock block) => block.Lines.ToString();

    private static IReadOnlyList<string> Paragraphs(Section section) => [.. section.Blocks.SelectMany(Paragraphs)];

    private static IEnumerable<string> Paragraphs(Block block) => block switch
    {
        ParagraphBlock paragraph => [PlainText(paragraph.Inline)],
        ListBlock list => list.Cast<ListItemBlock>().Select(item => "- " + string.Join(' ', item.SelectMany(Paragraphs))),
        _ => [],
    };

    private static string PlainText(ContainerInline? container) => container is null ? string.Empty : string.Concat(container.Select(inline => inline switch
    {
        LiteralInline literal => literal.Content.ToString(),
        CodeInline code => code.Content,
        LineBreakInline => " ",
        ContainerInline inner => PlainText(inner),
        _ => string.Empty,
    }));

    private sealed record Section(string Chapter, string Title)
    {
        public List<Block> Blocks { get; } = [];
    }
}

internal sealed record HelpExample(string Title, string Code, IReadOnlyList<string> Remarks);

internal sealed record HelpType(string Name, IReadOnlyList<string> Description);

internal sealed record HelpParameter(string Name, IReadOnlyList<string> Description, IReadOnlyDictionary<string, string> Attributes)
{
    public bool IsSwitch => Attributes["Type"] == "SwitchParameter";

    /// <summary>The names of its parameter sets; <c>(All)</c> where it is in every one.</summary>
    public IReadOnlyList<string> ParameterSets => Attributes["Parameter Sets"].Split(", ");

    public bool IsIn(string parameterSet) => ParameterSets.Contains(parameterSet) || ParameterSets.Contains("(All)");
}
