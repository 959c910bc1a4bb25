using System.Globalization;
using System.Text;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Usb.Rules;

/// <summary>The whitelist's own language, which says all that a rule can hold.</summary>
/// <remarks><code>
/// [allow|deny] [vendor:product] [class=cc[:ss[:pp]]] [version=2.56] [serial="…"] [port=1-2.*] [label="…"] [from=time] [until=time]
/// </code>
/// Numbers are hexadecimal, with or without 0x. <c>*</c> stands for any vendor or product, and in serial and port for any text.
/// A rule without a verb allows.</remarks>
public static class UsbRuleText
{
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.UsbRuleInvalid"/>.</exception>
    public static UsbRule Parse(string text)
    {
        var rule = new UsbRule { Allow = true };
        IReadOnlyList<RuleScanner.Word> words = RuleScanner.Scan(text);
        if (words.Count == 0)
        {
            throw Invalid(text, "is empty");
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (int index = 0; index < words.Count; index++)
        {
            string word = words[index].Text;
            if (index == 0 && word is "allow" or "deny")
            {
                rule = rule with { Allow = word == "allow" };
                continue;
            }

            int equals = word.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? "device" : word[..equals];
            if (!seen.Add(name))
            {
                throw Invalid(text, $"names its {name} twice");
            }

            rule = With(rule, name, word[(equals + 1)..]) ?? throw Invalid(text, $"has the word '{word}', which is no {Expected(name)}");
        }

        return rule.Checked();
    }

    public static string Format(UsbRule rule)
    {
        var text = new StringBuilder(rule.Allow ? "allow" : "deny");
        if (rule.VendorId is not null || rule.ProductId is not null)
        {
            text.Append($" {Number(rule.VendorId, "x4")}:{Number(rule.ProductId, "x4")}");
        }

        if (rule.Class is not null)
        {
            text.Append($" class={Number(rule.Class, "x2")}");
            text.Append(rule.Subclass is null ? string.Empty : $":{Number(rule.Subclass, "x2")}");
            text.Append(rule.Protocol is null ? string.Empty : $":{Number(rule.Protocol, "x2")}");
        }

        Append(text, "version", rule.Version is { } version ? UsbVersion.Format(version) : null);
        Append(text, "serial", rule.Serial is { } serial ? RuleScanner.Quote(serial) : null);
        Append(text, "port", rule.Port is { } port ? RuleScanner.Quote(port) : null);
        Append(text, "label", rule.Label is { } label ? RuleScanner.Quote(label) : null);
        Append(text, "from", rule.ValidFrom?.ToString("O", CultureInfo.InvariantCulture));
        Append(text, "until", rule.ValidUntil?.ToString("O", CultureInfo.InvariantCulture));
        return text.ToString();
    }

    private static UsbRule? With(UsbRule rule, string name, string value) => name switch
    {
        "device" => WithDevice(rule, value),
        "class" => WithClass(rule, value),
        "version" => UsbVersion.TryParse(value, out ushort version) ? rule with { Version = version } : null,
        "serial" => rule with { Serial = value },
        "port" => value.Length > 0 ? rule with { Port = value } : null,
        "label" => rule with { Label = value },
        "from" => TryTime(value, out DateTimeOffset from) ? rule with { ValidFrom = from } : null,
        "until" => TryTime(value, out DateTimeOffset until) ? rule with { ValidUntil = until } : null,
        _ => null,
    };

    /// <summary>The rule for <c>048d:1169</c>, <c>048d:*</c> or <c>*:*</c>; null if the text is none of these.</summary>
    internal static UsbRule? WithDevice(UsbRule rule, string value) =>
        value.Split(':') is [var vendor, var product] && TryNumber(vendor, ushort.MaxValue, out int? vendorId) && TryNumber(product, ushort.MaxValue, out int? productId)
            ? rule with { VendorId = (ushort?)vendorId, ProductId = (ushort?)productId }
            : null;

    /// <summary>The rule for the class <c>08</c>, <c>08:06</c> or <c>08:06:50</c>, with <c>*</c> for any; null if the text is none of these.</summary>
    internal static UsbRule? WithClass(UsbRule rule, string value)
    {
        int?[] codes = new int?[3];
        string[] parts = value.Split(':');
        for (int part = 0; part < parts.Length; part++)
        {
            if (part == codes.Length || !TryNumber(parts[part], byte.MaxValue, out codes[part]))
            {
                return null;
            }
        }

        return rule with { Class = (byte?)codes[0], Subclass = (byte?)codes[1], Protocol = (byte?)codes[2] };
    }

    private static bool TryNumber(string text, int max, out int? value)
    {
        value = null;
        if (text == "*")
        {
            return true;
        }

        ReadOnlySpan<char> digits = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? text.AsSpan(2) : text;
        if (digits.Length > 4 || !int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int number) || number > max)
        {
            return false;
        }

        value = number;
        return true;
    }

    private static bool TryTime(string text, out DateTimeOffset time) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out time);

    private static string Number<T>(T? value, string format)
        where T : struct, IFormattable => value?.ToString(format, CultureInfo.InvariantCulture) ?? "*";

    private static void Append(StringBuilder text, string name, string? value)
    {
        if (value is not null)
        {
            text.Append($" {name}={value}");
        }
    }

    private static string Expected(string name) => name switch
    {
        "device" => "device of the form 048d:1169, and no field of the form name=value",
        "class" => "class of the form 08, 08:06 or 08:06:50",
        "version" => "version of the form 2.56 or 0x0256",
        "from" or "until" => "time of the form 2026-01-31T18:00:00Z",
        _ => "field of a rule (class, version, serial, port, label, from, until)",
    };

    private static InvalidInputException Invalid(string text, string defect) => new(ErrorIds.UsbRuleInvalid, $"The USB rule '{text}' {defect}.");
}
