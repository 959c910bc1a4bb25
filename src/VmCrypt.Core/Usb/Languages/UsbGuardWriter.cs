using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Languages;

/// <summary>A whitelist as rules of the USBGuard daemon (1.1 or newer, for <c>match-all</c>).</summary>
/// <remarks>
/// USBGuard asks a device once where a whitelist asks each interface. So an allowing rule lists, under match-all, its own class and
/// the classes of the allowing rules before it that cover the same devices; a denying rule with a class is one-of. A device that
/// passes such a line has each of its interfaces allowed by a rule that no denying line before it could undercut.
/// </remarks>
internal static class UsbGuardWriter
{
    private static readonly string[] s_classNotes =
    [
        "USBGuard does not see the class of the device itself; its interfaces alone decide there.",
        "A HID function beside others, which a whitelist does not ask, must be listed for USBGuard.",
    ];

    public static UsbExport Format(UsbWhitelist whitelist)
    {
        List<string> notes = whitelist.Rules.Any(rule => rule.Class is not null) ? [.. s_classNotes] : [];
        IReadOnlyList<NarrowedRule> rules = Narrowing.Narrow(whitelist, "USBGuard", Sayable, notes);
        var lines = new List<string>();
        for (int index = 0; index < rules.Count; index++)
        {
            UsbRule rule = rules[index].Rule;
            lines.Add(rule.Allow ? Line("allow", rule, AllowedClasses(rules, index)) : Line("block", rule, DeniedClass(rule)));
        }

        lines.Add("block");
        return new UsbExport(string.Join('\n', lines) + '\n', notes);
    }

    private static UsbRule Sayable(UsbRule rule) => rule with
    {
        ProductId = rule.VendorId is null ? null : rule.ProductId,
        Version = null,
        Serial = rule.Serial is null || UsbGlob.IsExact(rule.Serial) ? rule.Serial : null,
        Port = UsbGlob.IsExact(rule.Port) ? rule.Port : null,
    };

    private static string DeniedClass(UsbRule rule) => rule.Class is null ? string.Empty : $" with-interface one-of {{ {ClassPattern(rule)} }}";

    private static string AllowedClasses(IReadOnlyList<NarrowedRule> rules, int last)
    {
        UsbRule rule = rules[last].Rule;
        UsbRule[] covering = [.. rules.Take(last + 1).Select(other => other.Rule).Where(other => other.Allow && Covers(other, rule))];
        return covering.Any(other => other.Class is null)
            ? string.Empty
            : $" with-interface match-all {{ {string.Join(' ', covering.Select(ClassPattern).Distinct())} }}";
    }

    private static bool Covers(UsbRule other, UsbRule rule) =>
        (other.VendorId is null || other.VendorId == rule.VendorId)
        && (other.ProductId is null || other.ProductId == rule.ProductId)
        && (other.Serial is null || other.Serial == rule.Serial)
        && (other.Port is null || other.Port == rule.Port);

    private static string ClassPattern(UsbRule rule) =>
        $"{rule.Class:x2}:{rule.Subclass?.ToString("x2") ?? "*"}:{rule.Protocol?.ToString("x2") ?? "*"}";

    private static string Line(string verb, UsbRule rule, string interfaces) => verb
        + (rule.VendorId is null ? string.Empty : $" id {rule.VendorId:x4}:{rule.ProductId?.ToString("x4") ?? "*"}")
        + (rule.Serial is null ? string.Empty : $" serial {RuleScanner.Quote(rule.Serial)}")
        + (rule.Port is null ? string.Empty : $" via-port {RuleScanner.Quote(rule.Port)}")
        + interfaces
        + (rule.Label is null ? string.Empty : $" label {RuleScanner.Quote(rule.Label)}");
}
