using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace VmCrypt.Cli.Output;

/// <summary>How the objects of one type are shown: a column or line per entry.</summary>
internal sealed record FormatView(string TypeName, bool IsTable, IReadOnlyList<FormatEntry> Entries);

/// <summary>One column of a table or line of a list.</summary>
internal sealed record FormatEntry(string Label, bool RightAligned, Func<object, object?> Value)
{
    public string Text(object item) => Show(Value(item));

    private static string Show(object? value) => value switch
    {
        null => string.Empty,
        string text => text,
        DateTime time => time.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture),
        DateTimeOffset time => time.LocalDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture),
        IEnumerable elements => string.Join(", ", elements.Cast<object?>().Select(Show)),
        _ => value.ToString() ?? string.Empty,
    };
}

/// <summary>The views of VmCrypt.Format.ps1xml, the same file that PowerShell reads.</summary>
internal static partial class FormatViews
{
    private const int WidestTable = 4;

    private static readonly Lazy<FormatView[]> s_views = new(Load);

    /// <summary>The view of a type, a table rather than a list unless a list is wanted; one without its own is shown by its properties.</summary>
    public static FormatView For(Type type, bool list)
    {
        FormatView[] own = [.. s_views.Value.Where(view => view.TypeName == type.FullName)];
        return own.FirstOrDefault(view => view.IsTable != list) ?? own.FirstOrDefault() ?? Default(type, list);
    }

    private static FormatView Default(Type type, bool list)
    {
        FormatEntry[] entries = [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(property => property.GetIndexParameters().Length == 0)
            .Select(property => new FormatEntry(property.Name, RightAligned: false, property.GetValue))];
        return new FormatView(type.FullName!, !list && entries.Length <= WidestTable, entries);
    }

    private static FormatView[] Load()
    {
        using Stream file = typeof(FormatViews).Assembly.GetManifestResourceStream("views")!;
        return [.. XDocument.Load(file).Descendants("View").Select(view =>
        {
            string typeName = view.Element("ViewSelectedBy")!.Element("TypeName")!.Value;
            return view.Element("TableControl") is { } table ? ReadTable(typeName, table) : ReadList(typeName, view.Element("ListControl")!);
        })];
    }

    private static FormatView ReadTable(string typeName, XElement table)
    {
        IEnumerable<XElement> headers = table.Descendants("TableColumnHeader");
        IEnumerable<XElement> columns = table.Descendants("TableColumnItem");
        return new FormatView(typeName, IsTable: true, [.. headers.Zip(columns, (header, column) =>
            Entry(header.Element("Label")?.Value, header.Element("Alignment")?.Value == "Right", column))]);
    }

    private static FormatView ReadList(string typeName, XElement list) =>
        new(typeName, IsTable: false, [.. list.Descendants("ListItem").Select(item => Entry(item.Element("Label")?.Value, rightAligned: false, item))]);

    private static FormatEntry Entry(string? label, bool rightAligned, XElement item)
    {
        if (item.Element("PropertyName")?.Value is { } property)
        {
            return new FormatEntry(label ?? property, rightAligned, Property(property));
        }

        // The one form of script that our views use: a static method of ours on one property.
        string script = item.Element("ScriptBlock")!.Value.Trim();
        Match call = StaticCall().Match(script);
        Type type = typeof(FormatViews).Assembly.GetType(call.Groups["type"].Value)
            ?? throw new InvalidOperationException($"The view's script '{script}' is not of the form [Type]::Method($_.Property).");
        MethodInfo method = type.GetMethod(call.Groups["method"].Value, BindingFlags.Public | BindingFlags.Static)!;
        Func<object, object?> argument = Property(call.Groups["property"].Value);
        return new FormatEntry(label!, rightAligned, value => method.Invoke(null, [argument(value)]));
    }

    private static Func<object, object?> Property(string name) => value => value.GetType().GetProperty(name)?.GetValue(value);

    [GeneratedRegex(@"^\[(?<type>[\w.]+)\]::(?<method>\w+)\(\$_\.(?<property>\w+)\)$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex StaticCall();
}
