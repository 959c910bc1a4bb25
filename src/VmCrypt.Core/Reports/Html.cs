using System.Globalization;
using System.Net;

namespace VmCrypt.Core.Reports;

/// <summary>What pages for people are written with. Everything that comes from outside goes through <see cref="Text"/>.</summary>
internal static class Html
{
    public static string Text(string text) => WebUtility.HtmlEncode(text);

    /// <summary>A whole page, which needs nothing but itself.</summary>
    /// <param name="body">Markup.</param>
    /// <param name="moreStyle">Rules beyond those that all pages share.</param>
    public static string Page(string title, string body, string moreStyle = "") =>
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n"
        + $"<title>{Text(title)}</title>\n<style>\n{Resource(typeof(Html), "page.css")}{moreStyle}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n";

    /// <summary>The head of a page: what it is, whose, and in a badge what it comes to.</summary>
    /// <param name="sub">Markup.</param>
    /// <param name="look">A class of the style: good, fair or poor.</param>
    public static string Header(string title, string sub, string status, string look) =>
        $"<header><div><h1>{Text(title)}</h1><div class=\"sub\">{sub}</div></div><div class=\"status {look}\">{Text(status)}</div></header>\n";

    /// <summary>Terms and what they are; what is not known is left out, and so is a list of nothing.</summary>
    public static string List(string title, params (string Term, string? Value)[] entries) => entries.All(entry => entry.Value is null)
        ? string.Empty
        : $"<section><h2>{title}</h2><dl>{string.Concat(entries.Where(entry => entry.Value is not null).Select(entry => $"<dt>{entry.Term}</dt><dd>{Text(entry.Value!)}</dd>"))}</dl></section>";

    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);

    public static string Duration(long milliseconds) => milliseconds < 60_000
        ? string.Create(CultureInfo.InvariantCulture, $"{milliseconds / 1000.0:0.0} s")
        : TimeSpan.FromMilliseconds(milliseconds).ToString(@"d\.hh\:mm\:ss", CultureInfo.InvariantCulture).TrimStart('0', '.', ':');

    public static string Bytes(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        int unit = bytes > 0 ? Math.Min((63 - (int)long.LeadingZeroCount(bytes)) / 10, units.Length - 1) : 0;
        return unit == 0 ? $"{bytes} B" : string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << (10 * unit)):0.##} {units[unit]}");
    }

    /// <summary>A text file beside a type's source.</summary>
    public static string Resource(Type owner, string name)
    {
        using var reader = new StreamReader(owner.Assembly.GetManifestResourceStream(owner, name)!);
        return reader.ReadToEnd();
    }
}
