using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using VmCrypt.Commands.Host;

namespace VmCrypt.Cli.Output;

/// <summary>How objects are printed.</summary>
internal enum OutputStyle
{
    Table,
    List,
    Json,
}

/// <summary>Prints what a command emits: tables and lists for people, one JSON object per line for programs.</summary>
internal sealed class ObjectWriter(TextWriter output, OutputStyle style)
{
    private const string Gap = "  ";

    // Paths and sentences stay readable; nobody puts this into a web page.
    private static readonly JsonSerializerOptions s_json = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(), new ErrorJsonConverter() },
    };

    private readonly List<object> _rows = [];

    /// <summary>Prints a text as it is, an object in the style that was chosen.</summary>
    public void Write(object value, bool quoteTexts)
    {
        if (value is string or bool && !quoteTexts)
        {
            Flush();
            output.WriteLine(value);
            return;
        }

        if (style == OutputStyle.Json)
        {
            output.WriteLine(JsonSerializer.Serialize(value, value.GetType(), s_json));
            return;
        }

        if (value is ILogLine)
        {
            Flush();
            output.WriteLine(value);
            return;
        }

        if (_rows.Count > 0 && _rows[0].GetType() != value.GetType())
        {
            Flush();
        }

        FormatView view = FormatViews.For(value.GetType(), style == OutputStyle.List);
        if (view.IsTable)
        {
            _rows.Add(value);
        }
        else
        {
            WriteList(value, view.Entries);
        }
    }

    /// <summary>Prints the rows that were waiting for the widths of their columns.</summary>
    public void Flush()
    {
        if (_rows.Count > 0)
        {
            output.WriteLine();
            WriteTable(FormatViews.For(_rows[0].GetType(), list: false).Entries);
            output.WriteLine();
            _rows.Clear();
        }
    }

    private void WriteTable(IReadOnlyList<FormatEntry> columns)
    {
        string[][] cells = [.. _rows.Select(row => columns.Select(column => column.Text(row)).ToArray())];
        int[] widths = [.. columns.Select((column, i) => cells.Select(row => row[i].Length).Append(column.Label.Length).Max())];
        WriteRow([.. columns.Select(column => column.Label)]);
        WriteRow([.. columns.Select(column => new string('-', column.Label.Length))]);
        foreach (string[] row in cells)
        {
            WriteRow(row);
        }

        void WriteRow(string[] row) => output.WriteLine(string.Join(Gap, row.Select((cell, i) =>
            columns[i].RightAligned ? cell.PadLeft(widths[i]) : cell.PadRight(widths[i]))).TrimEnd());
    }

    private void WriteList(object value, IReadOnlyList<FormatEntry> lines)
    {
        int width = lines.Max(line => line.Label.Length);
        string indent = new(' ', width + " : ".Length);
        output.WriteLine();
        foreach (FormatEntry line in lines)
        {
            output.WriteLine($"{line.Label.PadRight(width)} : {line.Text(value).ReplaceLineEndings(Environment.NewLine + indent)}".TrimEnd());
        }

        output.WriteLine();
    }
}
