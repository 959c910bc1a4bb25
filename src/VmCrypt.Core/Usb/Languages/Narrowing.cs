using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Languages;

/// <summary>A rule as a target can say it, with its place in the list.</summary>
internal readonly record struct NarrowedRule(int Number, UsbRule Rule);

/// <summary>The one place where an export decides what to do about a rule that its target cannot say.</summary>
/// <remarks>
/// An allowing rule with such a condition is left out, for without the condition it would allow more. A denying rule loses the
/// condition, and so denies more. Both only ever narrow, whatever rules follow. A window of time is a condition like any other,
/// for no target lets go of a rule by itself.
/// </remarks>
internal static class Narrowing
{
    /// <param name="sayable">The rule without the conditions that the target cannot say; windows of time are taken off here.</param>
    public static IReadOnlyList<NarrowedRule> Narrow(UsbWhitelist whitelist, string target, Func<UsbRule, UsbRule> sayable, List<string> notes)
    {
        var rules = new List<NarrowedRule>();
        for (int index = 0; index < whitelist.Rules.Count; index++)
        {
            UsbRule rule = whitelist.Rules[index].Checked();
            UsbRule narrowed = sayable(rule) with { ValidFrom = null, ValidUntil = null };
            if (narrowed != rule)
            {
                notes.Add($"Rule {index + 1} ({rule}) {(rule.Allow ? "is left out" : "denies more")}: {target} cannot say {Difference(rule, narrowed)}.");
            }

            if (narrowed == rule || !rule.Allow)
            {
                rules.Add(new NarrowedRule(index + 1, narrowed));
            }
        }

        return rules;
    }

    /// <summary>What usbredir's filter and everything made of it can say.</summary>
    public static UsbRule ForUsbredir(UsbRule rule) => rule with { Subclass = null, Protocol = null, Serial = null, Port = null };

    private static string Difference(UsbRule rule, UsbRule narrowed) => string.Join(" and ", new[]
    {
        rule.VendorId != narrowed.VendorId || rule.ProductId != narrowed.ProductId ? "this vendor and product" : null,
        rule.Class != narrowed.Class ? "this class" : null,
        rule.Subclass != narrowed.Subclass || rule.Protocol != narrowed.Protocol ? "a subclass or protocol" : null,
        rule.Version != narrowed.Version ? "this version" : null,
        rule.Serial != narrowed.Serial ? "this serial number" : null,
        rule.Port != narrowed.Port ? "this port" : null,
        rule.ValidFrom != narrowed.ValidFrom || rule.ValidUntil != narrowed.ValidUntil ? "a window of time" : null,
    }.Where(part => part is not null));
}
