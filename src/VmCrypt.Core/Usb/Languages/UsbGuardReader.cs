using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Languages;

/// <summary>Rules of the USBGuard daemon, one a line, as whitelist rules.</summary>
/// <remarks>
/// An interface set becomes one rule for each interface type, for a whitelist asks every interface anyway. Hashes, names and
/// connect types are not kept: a denying rule then denies more; an allowing one is taken only where vendor and product still bind it.
/// Conditions on an allowing rule, and none-of, cannot be kept at all.
/// </remarks>
internal static class UsbGuardReader
{
    private const int MaxCombinations = 1024;

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.UsbRuleInvalid"/>, <see cref="ErrorIds.UsbRuleUntranslatable"/>.</exception>
    public static UsbImport Parse(string text)
    {
        var rules = new List<UsbRule>();
        var notes = new List<string>();
        foreach (string line in text.Split('\n').Select(line => line.Trim()).Where(line => line is not ("" or ['#', ..])))
        {
            rules.AddRange(Translate(new UsbGuardLine(line), notes));
        }

        return new UsbImport(rules, notes);
    }

    private static IEnumerable<UsbRule> Translate(UsbGuardLine line, List<string> notes)
    {
        NoteWhatIsNotKept(line, notes);
        UsbRule[] rules = [new UsbRule { Allow = line.Allows, Label = line["label"]?.Values[0] }];
        rules = Multiply(line, rules, "id", (rule, value) => WithId(line, rule, value));
        rules = Multiply(line, rules, "serial", (rule, value) => rule with { Serial = UsbGlob.Escape(value) });
        rules = Multiply(line, rules, "via-port", (rule, value) => rule with { Port = UsbGlob.Escape(value) });
        return MultiplyInterfaces(line, rules, notes).Select(rule => rule.Checked());
    }

    private static void NoteWhatIsNotKept(UsbGuardLine line, List<string> notes)
    {
        foreach (string name in new[] { "hash", "parent-hash", "name", "with-connect-type", "if" }.Where(name => line[name] is not null))
        {
            bool bound = line["id"] is { Values: [not "*:*"] };
            if (line.Allows && (name == "if" || !bound))
            {
                throw line.Untranslatable(name == "if" ? "a condition" : $"a {name} without vendor and product");
            }

            notes.Add($"USBGuard's '{line}' asks for its {name}; the whitelist does not{(line.Allows ? string.Empty : ", and denies more")}.");
        }
    }

    // A device has one id, one serial, one port: of the operators, only those with a chance to match make sense.
    private static UsbRule[] Multiply(UsbGuardLine line, UsbRule[] rules, string name, Func<UsbRule, string, UsbRule> with)
    {
        if (line[name] is not { } attribute)
        {
            return rules;
        }

        if (attribute.Values.Count != 1 && attribute.Operator is not ("one-of" or "match-all"))
        {
            throw line.Untranslatable($"'{attribute.Operator}' with {attribute.Values.Count} values of {name}");
        }

        return attribute.Operator == "none-of" ? throw line.Untranslatable($"'none-of' on {name}") : Combine(line, rules, attribute, with);
    }

    private static UsbRule[] MultiplyInterfaces(UsbGuardLine line, UsbRule[] rules, List<string> notes)
    {
        if (line["with-interface"] is not { } attribute)
        {
            return rules;
        }

        string? note = (attribute.Operator, line.Allows, attribute.Values.Count) switch
        {
            ("none-of", _, _) => throw line.Untranslatable($"'{attribute.Operator}' on its interfaces"),
            ("one-of", true, _) => "the whitelist wants every interface of the device allowed",
            ("match-all", true, _) or (_, true, 1) or ("one-of", false, _) => null,
            (_, true, _) => "the whitelist also allows a device with only some of these interfaces",
            _ => "the whitelist denies a device with any of these interfaces",
        };
        if (note is not null)
        {
            notes.Add($"USBGuard's '{line}' asks for {attribute.Operator} of its interfaces; {note}.");
        }

        return Combine(line, rules, attribute, (rule, value) => WithInterface(line, rule, value));
    }

    private static UsbRule[] Combine(UsbGuardLine line, UsbRule[] rules, UsbGuardLine.Attribute attribute, Func<UsbRule, string, UsbRule> with) =>
        (long)rules.Length * attribute.Values.Count <= MaxCombinations
            ? [.. rules.SelectMany(_ => attribute.Values, with)]
            : throw line.Untranslatable($"more than {MaxCombinations} combinations of its values");

    private static UsbRule WithId(UsbGuardLine line, UsbRule rule, string value) =>
        UsbRuleText.WithDevice(rule, value) ?? throw line.Invalid($"has the id '{value}'; it has the form 1234:5678 or 1234:*");

    private static UsbRule WithInterface(UsbGuardLine line, UsbRule rule, string value) =>
        (value.Count(sign => sign == ':') == 2 ? UsbRuleText.WithClass(rule, value) : null) ?? throw line.Invalid($"has the interface '{value}'; it has the form 08:06:50, 08:06:* or 08:*:*");
}
