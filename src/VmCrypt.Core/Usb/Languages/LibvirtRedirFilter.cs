using System.Globalization;
using System.Xml;
using System.Xml.Linq;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Languages;

/// <summary>libvirt's <c>&lt;redirfilter&gt;</c>, which governs every redirected device of a domain.</summary>
/// <remarks>Its version is decimal digits that become BCD digits: 2.56 is 0x0256, and 2.5 is 2.50. Its other numbers are C's, octal included.</remarks>
public static class LibvirtRedirFilter
{
    private const int MaxLength = 4 * 1024 * 1024;

    /// <summary>Reads <c>&lt;usbdev&gt;</c> elements: alone, within a redirfilter, or within a whole domain.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.UsbRuleInvalid"/>.</exception>
    public static UsbImport Parse(string xml) => new([.. Elements(xml).Select(ParseRule)], []);

    /// <summary>The element that belongs into <c>&lt;devices&gt;</c>.</summary>
    public static UsbExport Format(UsbWhitelist whitelist)
    {
        var notes = new List<string>();
        var filter = new XElement("redirfilter");
        foreach (NarrowedRule rule in Narrowing.Narrow(whitelist, "libvirt", Sayable, notes))
        {
            filter.Add(FormatRule(rule.Rule));
        }

        filter.Add(FormatRule(new UsbRule { Allow = false }));
        return new UsbExport(filter.ToString(), notes);
    }

    private static XElement FormatRule(UsbRule rule) => new(
        "usbdev",
        Attribute("class", rule.Class?.ToString("x2", CultureInfo.InvariantCulture)),
        Attribute("vendor", rule.VendorId?.ToString("x4", CultureInfo.InvariantCulture)),
        Attribute("product", rule.ProductId?.ToString("x4", CultureInfo.InvariantCulture)),
        rule.Version is { } version ? new XAttribute("version", UsbVersion.Format(version)) : null,
        new XAttribute("allow", rule.Allow ? "yes" : "no"));

    private static XAttribute? Attribute(string name, string? digits) => digits is null ? null : new XAttribute(name, "0x" + digits);

    private static UsbRule Sayable(UsbRule rule) =>
        Narrowing.ForUsbredir(rule) with { Version = rule.Version is { } version && UsbVersion.IsDecimal(version) ? version : null };

    private static XElement[] Elements(string xml)
    {
        try
        {
            // The wrapper lets several elements stand side by side.
            var settings = new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, MaxCharactersInDocument = MaxLength, XmlResolver = null };
            using var reader = XmlReader.Create(new StringReader($"<rules>{xml}</rules>"), settings);
            XElement[] found = [.. XElement.Load(reader).Descendants("usbdev")];
            return found.Length > 0 ? found : throw new InvalidInputException(ErrorIds.UsbRuleInvalid, "The libvirt XML holds no <usbdev> element.");
        }
        catch (XmlException fault)
        {
            throw new InvalidInputException(ErrorIds.UsbRuleInvalid, $"The libvirt rule is no XML: {fault.Message}", fault);
        }
    }

    private static UsbRule ParseRule(XElement element) => new()
    {
        Class = (byte?)Number(element, "class", byte.MaxValue),
        VendorId = (ushort?)Number(element, "vendor", ushort.MaxValue),
        ProductId = (ushort?)Number(element, "product", ushort.MaxValue),
        Version = ParseVersion(element),
        Allow = (string?)element.Attribute("allow") switch
        {
            "yes" => true,
            "no" => false,
            var other => throw Invalid(element, "allow", other, "yes or no"),
        },
    };

    private static int? Number(XElement element, string name, int max)
    {
        string? text = (string?)element.Attribute(name);
        if (text is null or "-1")
        {
            return null;
        }

        return CNumber.TryParse(text, out int value) && value >= 0 && value <= max
            ? value
            : throw Invalid(element, name, text, $"between 0 and 0x{max:x}, or -1 for any");
    }

    private static ushort? ParseVersion(XElement element)
    {
        string? text = (string?)element.Attribute("version");
        if (text is null or "-1")
        {
            return null;
        }

        string[] parts = text.Split('.');
        if (parts.Length == 2 && TryDecimal(parts[0], out int major) && TryDecimal(parts[1].PadRight(2, '0'), out int minor))
        {
            return (ushort)((Bcd(major) << 8) | Bcd(minor));
        }

        throw Invalid(element, "version", text, "two decimal numbers below 100, such as 2.56");
    }

    private static bool TryDecimal(string text, out int value) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value < 100;

    private static int Bcd(int value) => ((value / 10) << 4) | (value % 10);

    private static InvalidInputException Invalid(XElement element, string name, string? value, string allowed) =>
        new(ErrorIds.UsbRuleInvalid, $"The libvirt rule {element} has the {name} '{value}'; it is {allowed}.");
}
