using VmCrypt.Commands.Host;

namespace VmCrypt.Cli.Output;

/// <summary>One line on standard error that is redrawn in place; nothing where that is no terminal.</summary>
internal sealed class ProgressBar(TextWriter error, bool terminal, Func<int> width)
{
    private const int BarWidth = 24;

    private int _shown;

    public void Show(ProgressReport report)
    {
        if (!terminal)
        {
            return;
        }

        if (ReferenceEquals(report, ProgressReport.Completed))
        {
            Clear();
            return;
        }

        string line = Describe(report);
        line = line.Length < width() ? line : line[..Math.Max(0, width() - 1)];
        error.Write('\r' + line.PadRight(_shown));
        _shown = line.Length;
    }

    /// <summary>Makes room for other text.</summary>
    public void Clear()
    {
        if (_shown > 0)
        {
            error.Write('\r' + new string(' ', _shown) + '\r');
            _shown = 0;
        }
    }

    private static string Describe(ProgressReport report)
    {
        if (report.Percent < 0)
        {
            return $"{report.Activity}: {report.Status}";
        }

        int filled = Math.Min(BarWidth, BarWidth * report.Percent / 100);
        string left = report.SecondsLeft < 0 ? string.Empty : $", {TimeSpan.FromSeconds(report.SecondsLeft):c} left";
        return $"{report.Activity} [{new string('#', filled)}{new string('.', BarWidth - filled)}] {report.Percent,3} % {report.Status}{left}";
    }
}
