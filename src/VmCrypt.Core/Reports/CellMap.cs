using System.Globalization;
using System.Text;

namespace VmCrypt.Core.Reports;

/// <summary>A long thing at a glance: letters for equal parts of it, and their drawing.</summary>
internal static class CellMap
{
    private const int Columns = 100;

    /// <summary>The cells that a range touches; the last one before the first for none.</summary>
    public static (int First, int Last) Of(long length, int cells, long offset, long count)
    {
        if (count <= 0 || offset >= length)
        {
            return (0, -1);
        }

        // In 128 bits, because a disk of exbibytes times a thousand cells is more than a long.
        int first = (int)((Int128)offset * cells / length);
        int last = (int)((Int128)(Math.Min(offset + count, length) - 1) * cells / length);
        return (first, last);
    }

    /// <summary>Draws the letters in rows, one run of equal ones after the other.</summary>
    /// <param name="run">The markup of a run of equal cells; their places come from <see cref="Place"/>.</param>
    /// <param name="definitions">What the runs use.</param>
    public static string Draw(string map, string label, Func<int, int, string> run, string definitions = "")
    {
        int rows = (map.Length + Columns - 1) / Columns;
        var drawing = new StringBuilder();
        drawing.Append(CultureInfo.InvariantCulture, $"<svg class=\"map\" viewBox=\"0 0 {Columns * 10} {rows * 10}\" role=\"img\" aria-label=\"{Html.Text(label)}\">{definitions}");
        for (int first = 0, next; first < map.Length; first = next)
        {
            next = first + 1;
            while (next < map.Length && map[next] == map[first])
            {
                next++;
            }

            drawing.Append(run(first, next - first));
        }

        return drawing.Append("</svg>").ToString();
    }

    /// <summary>Where a cell stands in the drawing; it is 9.4 wide and high.</summary>
    public static (int X, int Y) Place(int cell) => (cell % Columns * 10, cell / Columns * 10);
}
