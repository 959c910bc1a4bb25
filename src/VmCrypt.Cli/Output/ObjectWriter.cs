using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace VmCrypt.Cli.Output;

/// <summary>Prints what a command emits: for people on a terminal, one JSON object per line for programs.</summary>
internal sealed class ObjectWriter(TextWriter output, bool json, bool terminal)
{
    private const string Gap = "  ";

    // Paths and sentences stay readable; nobody puts this into a web page.
    private static readonly JsonSerializerOptions s_json = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter() },
    };

    private readonly List<object> _rows = [];

    public void Write(object value)
    {
        // A text is for whoever reads it next (virsh, a file), unless JSON was asked for by name.
        if (!json && value is string or bool)
        {
            Flush();
            output.WriteLine(value);
        }
        else if (json || !terminal)
        {
            output.WriteLine(JsonSerializer.Serialize(value, value.GetType(), s_json));
        }
        else
        {
            if (_rows.Count > 0 && _rows[0].GetType() != value.GetType())
            {
                Flush();
            }

            _rows.Add(value);
        }
    }

    /// <summary>Prints the rows that were waiting for the widths of their columns.</summary>
    public void Flush()
    {
        if (_rows.Count == 0)
        {
            return;
        }

        FormatView view = FormatViews.For(_rows[0].GetType());
        output.WriteLine();
        if (view.IsTable)
        {
            WriteTable(view.Entries);
        }
        else
        {
            WriteLists(view.Entries);
        }

        output.WriteLine();
        _rows.Clear();
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

    private void WriteLists(IReadOnlyList<FormatEntry> lines)
    {
        int width = lines.Max(line => line.Label.Length);
        string indent = new(' ', width + " : ".Length);
        for (int i = 0; i < _rows.Count; i++)
        {
            if (i > 0)
            {
                output.WriteLine();
            }

            foreach (FormatEntry line in lines)
            {
                output.WriteLine($"{line.Label.PadRight(width)} : {line.Text(_rows[i]).ReplaceLineEndings(Environment.NewLine + indent)}");
            }
        }
    }
}
