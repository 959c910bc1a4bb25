using System.Globalization;
using System.Text;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Languages;

/// <summary>The filter strings of usbredir, QEMU and SPICE: class, vendor, product, version, allow; -1 is any.</summary>
/// <remarks>
/// Read as usbredirfilter.c reads it: empty fields and empty rules are skipped, numbers are C's (0x is hexadecimal, a leading 0 is
/// <b>octal</b>, so 010 is class 8 and 08 is no number). Numbers that C would cut off to something else are refused here.
/// </remarks>
public static class UsbredirFilter
{
    public const char CommaForm = ',';
    public const char QemuForm = ':';

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.UsbRuleInvalid"/>.</exception>
    public static UsbImport Parse(string filter, char separator = CommaForm) =>
        new([.. filter.Split('|', StringSplitOptions.RemoveEmptyEntries).Select(rule => ParseRule(rule, separator))], []);

    /// <summary>The list as a filter; an empty one denies everything in so many words.</summary>
    public static UsbExport Format(UsbWhitelist whitelist, char separator = CommaForm)
    {
        var notes = new List<string>();
        var text = new StringBuilder();
        foreach (NarrowedRule rule in Narrowing.Narrow(whitelist, "a usbredir filter", Narrowing.ForUsbredir, notes))
        {
            text.Append(FormatRule(rule.Rule, separator)).Append('|');
        }

        return new UsbExport(text.Append(FormatRule(new UsbRule { Allow = false }, separator)).ToString(), notes);
    }

    /// <summary>Whether <paramref name="wider"/> is <paramref name="filter"/> with allowing rules added, and so allows all that it allows.</summary>
    internal static bool OnlyAdds(string filter, string wider)
    {
        string[] before = filter.Split('|');
        int kept = 0;
        foreach (string rule in wider.Split('|'))
        {
            if (kept < before.Length && rule == before[kept])
            {
                kept++;
            }
            else if (!rule.EndsWith('1'))
            {
                return false;
            }
        }

        return kept == before.Length;
    }

    private static string FormatRule(UsbRule rule, char separator) => string.Join(
        separator, Field(rule.Class, "x2"), Field(rule.VendorId, "x4"), Field(rule.ProductId, "x4"), Field(rule.Version, "x4"), rule.Allow ? "1" : "0");

    private static string Field<T>(T? value, string format)
        where T : struct, IFormattable => value is null ? "-1" : "0x" + value.Value.ToString(format, CultureInfo.InvariantCulture);

    private static UsbRule ParseRule(string rule, char separator)
    {
        string[] fields = rule.Split(separator, StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length != 5)
        {
            throw Invalid(rule, $"has {fields.Length} fields; it has five: class, vendor, product, version and allow");
        }

        return new UsbRule
        {
            Class = (byte?)Field(rule, "class", fields[0], byte.MaxValue),
            VendorId = (ushort?)Field(rule, "vendor", fields[1], ushort.MaxValue),
            ProductId = (ushort?)Field(rule, "product", fields[2], ushort.MaxValue),
            Version = (ushort?)Field(rule, "version", fields[3], ushort.MaxValue),
            Allow = Number(rule, "allow", fields[4]) != 0,
        };
    }

    private static int? Field(string rule, string name, string text, int max)
    {
        int value = Number(rule, name, text);
        return value >= -1 && value <= max
            ? value < 0 ? null : value
            : throw Invalid(rule, $"has the {name} {text}; it lies between -1 and 0x{max:x}");
    }

    private static int Number(string rule, string name, string text) =>
        CNumber.TryParse(text, out int value) ? value : throw Invalid(rule, $"has the {name} '{text}', which is no number as C reads it (a leading 0 makes it octal)");

    private static InvalidInputException Invalid(string rule, string defect) =>
        new(ErrorIds.UsbRuleInvalid, $"The usbredir rule '{rule}' {defect}.");
}
