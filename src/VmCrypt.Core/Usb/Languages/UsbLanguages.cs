using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Languages;

/// <summary>The one door to every language that a whitelist is read from and written in.</summary>
public static class UsbLanguages
{
    /// <summary>Reads rules in the language that <paramref name="text"/> looks like.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.UsbRuleInvalid"/>, <see cref="ErrorIds.UsbRuleUntranslatable"/>.</exception>
    public static UsbImport Parse(string text)
    {
        string[] lines = [.. text.Split('\n').Select(line => line.Trim()).Where(line => line is not ("" or ['#', ..]))];
        return lines switch
        {
            [['<', ..], ..] => LibvirtRedirFilter.Parse(text),
            [var filter] when IsFilter(filter, UsbredirFilter.CommaForm) => UsbredirFilter.Parse(filter, UsbredirFilter.CommaForm),
            [var filter] when IsFilter(filter, UsbredirFilter.QemuForm) => UsbredirFilter.Parse(WithoutName(filter), UsbredirFilter.QemuForm),
            _ when lines.Any(UsbGuardLine.LooksLike) => UsbGuardReader.Parse(text),
            _ => new UsbImport([.. lines.DefaultIfEmpty(string.Empty).Select(UsbRuleText.Parse)], []),
        };
    }

    public static UsbExport Format(UsbWhitelist whitelist, UsbExportFormat format) => format switch
    {
        UsbExportFormat.UsbredirFilter => UsbredirFilter.Format(whitelist),
        UsbExportFormat.QemuDeviceProperty => Around(UsbredirFilter.Format(whitelist, UsbredirFilter.QemuForm), filter => $"filter={filter}"),
        UsbExportFormat.SpiceClientFilter => Around(UsbredirFilter.Format(whitelist), SpiceOptions),
        UsbExportFormat.LibvirtXml => LibvirtRedirFilter.Format(whitelist),
        UsbExportFormat.UsbGuardRules => UsbGuardWriter.Format(whitelist),
        UsbExportFormat.UdevRules => UdevWriter.Format(whitelist),
        UsbExportFormat.WindowsDeviceInstallation => WindowsPolicyWriter.Format(whitelist),
        _ => throw new InvalidInputException(ErrorIds.InvalidParameter, $"The USB export format {format} does not exist."),
    };

    private static UsbExport Around(UsbExport export, Func<string, string> with) => export with { Text = with(export.Text) };

    // The client obeys these of its own free will: comfort for the user, no enforcement.
    private static string SpiceOptions(string filter) =>
        $"--spice-usbredir-auto-redirect-filter={filter}\n--spice-usbredir-redirect-on-connect={filter}";

    // Five numbers and four separators make a rule of a filter; no other language has as many in one word.
    private static bool IsFilter(string text, char separator) =>
        !WithoutName(text).AsSpan().ContainsAny('=', '"', '{') && WithoutName(text).Split('|').Any(rule => rule.Count(sign => sign == separator) >= 4);

    private static string WithoutName(string filter) => filter.StartsWith("filter=", StringComparison.Ordinal) ? filter["filter=".Length..] : filter;
}
