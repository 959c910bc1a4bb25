using System.Globalization;
using System.Text;
using VmCrypt.Core.Reports;

namespace VmCrypt.Core.Proof.Report;

/// <summary>The map of a file, its legend, and the histogram of its entropy.</summary>
internal static class ProofDrawing
{
    private const int Step = 9;
    private const int ChartHeight = 110;
    private const int ChartLeft = 34;

    // Each state has a shape beside its colour: letter, name of the symbol, words, and what is drawn over the square.
    private static readonly (char State, string Symbol, string Words, string Shape)[] s_states =
    [
        (ProofMap.Plain, "P", "plain", "<path class=\"k\" d=\"M2 2l5.4 5.4M7.4 2L2 7.4\"/>"),
        (ProofMap.Weak, "W", "ciphertext that repeats", "<path class=\"k\" d=\"M1.5 3.3h6.4M1.5 6.1h6.4\"/>"),
        (ProofMap.Unchecked, "U", "not checked", "<path class=\"k\" d=\"M2 7.4L7.4 2\"/>"),
        (ProofMap.Ciphertext, "C", "looks like ciphertext", string.Empty),
        (ProofMap.Header, "H", "header and key slots", "<path class=\"k\" d=\"M4.7 1.8v5.8\"/>"),
        (ProofMap.Metadata, "M", "tables of the container", "<path class=\"k\" d=\"M1.8 4.7h5.8\"/>"),
        (ProofMap.Zero, "0", "zeros", string.Empty),
        (ProofMap.Hole, "N", "nothing stored", string.Empty),
    ];

    /// <summary>The symbols that maps and legends use; once on a page.</summary>
    public static string Symbols => "<svg width=\"0\" height=\"0\" style=\"position:absolute\"><defs>"
        + string.Concat(s_states.Select(state => $"<g id=\"{state.Symbol}\"><rect class=\"c s-{state.Symbol}\" width=\"9.4\" height=\"9.4\" rx=\"1\"/>{state.Shape}</g>"))
        + "</defs></svg>\n";

    public static string Map(LayerProof layer) => CellMap.Draw(layer.Map, $"{layer.Path} from its start to its end, by state", (first, count) =>
    {
        (_, string symbol, string words, _) = s_states.First(state => state.State == layer.Map[first]);
        long from = (long)((Int128)first * layer.Length / layer.Map.Length);
        long to = (long)((Int128)(first + count) * layer.Length / layer.Map.Length);
        IEnumerable<string> cells = Enumerable.Range(first, count).Select(CellMap.Place).Select(place => $"<use href=\"#{symbol}\" x=\"{place.X}\" y=\"{place.Y}\"/>");
        return $"<g><title>{words}: about {from} to {to}</title>{string.Concat(cells)}</g>";
    });

    public static string Legend(ProofBytes bytes) => "<div class=\"legend\">" + string.Concat(s_states
        .Select(state => (state, Count: CountOf(state.State, bytes)))
        .Where(entry => entry.Count > 0)
        .Select(entry => $"<span><svg viewBox=\"0 0 9.4 9.4\" aria-hidden=\"true\"><use href=\"#{entry.state.Symbol}\"/></svg>{entry.state.Words} <b>{Html.Bytes(entry.Count)}</b></span>")) + "</div>\n";

    /// <summary>Bars on a logarithmic scale: one block in plain among millions is to be seen.</summary>
    public static string Histogram(long[] counts)
    {
        long most = counts.Max();
        if (most == 0)
        {
            return string.Empty;
        }

        int width = ChartLeft + (counts.Length * Step) + 8;
        double decades = Math.Max(1, Math.Ceiling(Math.Log10(most + 1)));
        var chart = new StringBuilder();
        chart.Append(CultureInfo.InvariantCulture, $"<svg class=\"chart\" viewBox=\"0 0 {width} {ChartHeight + 26}\" role=\"img\" aria-label=\"Blocks by entropy\">");
        for (int decade = 0; decade <= decades; decade++)
        {
            double y = 6 + ((ChartHeight - 6) * (1 - (decade / decades)));
            chart.Append(CultureInfo.InvariantCulture, $"<line x1=\"{ChartLeft}\" x2=\"{width}\" y1=\"{y:0.#}\" y2=\"{y:0.#}\"/><text x=\"{ChartLeft - 4}\" y=\"{y + 3:0.#}\" text-anchor=\"end\">{Short(decade)}</text>");
        }

        foreach ((int index, long count) in counts.Index().Where(entry => entry.Item > 0))
        {
            double height = (ChartHeight - 6) * Math.Max(0.02, Math.Log10(count + 1) / decades);
            chart.Append(CultureInfo.InvariantCulture, $"<rect x=\"{ChartLeft + (index * Step)}\" y=\"{ChartHeight - height:0.#}\" width=\"{Step - 1}\" height=\"{height:0.#}\"><title>{count} blocks of {index / 8.0} bits per byte and more</title></rect>");
        }

        for (int bit = 0; bit <= 8; bit++)
        {
            chart.Append(CultureInfo.InvariantCulture, $"<text x=\"{ChartLeft + (bit * LayerProof.EntropyStepsPerBit * Step)}\" y=\"{ChartHeight + 12}\" text-anchor=\"middle\">{bit}</text>");
        }

        return chart.Append("</svg>\n").ToString();
    }

    // 1, 10, 100, 1k, ...
    private static string Short(int decade) => decade == 0 ? "0" : (decade % 3) switch { 0 => "1", 1 => "10", _ => "100" } + " kMGTPE"[decade / 3].ToString().Trim();

    private static long CountOf(char state, ProofBytes bytes) => state switch
    {
        ProofMap.Plain => bytes.Plain,
        ProofMap.Weak => bytes.Weak,
        ProofMap.Unchecked => bytes.Unchecked,
        ProofMap.Ciphertext => bytes.Ciphertext,
        ProofMap.Header => bytes.Header,
        ProofMap.Metadata => bytes.Metadata,
        ProofMap.Zero => bytes.Zero,
        _ => bytes.Hole,
    };
}
