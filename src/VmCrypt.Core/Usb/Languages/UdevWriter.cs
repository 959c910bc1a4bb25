using System.Text;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Languages;

/// <summary>A whitelist as udev rules: the host authorises what the list allows and leaves everything else unauthorised.</summary>
/// <remarks>
/// udev knows no "every interface", only patterns for its list of different interface types (<c>:080650:030101:</c>), so an
/// allowing rule with a class spells out the short lists that its classes can make. Root hubs are left alone: without them the
/// host has no USB at all.
/// </remarks>
internal static class UdevWriter
{
    private const int MaxTypes = 4;

    private const string ClassNote =
        "udev sees the different interface types of a device, not each interface; it denies a HID function beside others unless that is listed.";

    private const string Head = """
        # Made by VmCrypt from a USB whitelist. Put it into /etc/udev/rules.d, after the distribution's own rules.
        ACTION!="add", GOTO="vmcrypt_usb_end"
        SUBSYSTEM!="usb", GOTO="vmcrypt_usb_end"
        ENV{DEVTYPE}!="usb_device", GOTO="vmcrypt_usb_end"
        KERNEL=="usb*", GOTO="vmcrypt_usb_end"
        IMPORT{builtin}="usb_id"
        """;

    private const string Foot = """
        LABEL="vmcrypt_usb_deny"
        ATTR{authorized}="0"
        GOTO="vmcrypt_usb_end"
        LABEL="vmcrypt_usb_allow"
        ATTR{authorized}="1"
        LABEL="vmcrypt_usb_end"
        """;

    public static UsbExport Format(UsbWhitelist whitelist)
    {
        List<string> notes = whitelist.Rules.Any(rule => rule.Class is not null) ? [ClassNote] : [];
        IReadOnlyList<NarrowedRule> rules = Narrowing.Narrow(whitelist, "udev", Sayable, notes);
        var text = new StringBuilder(Head).Append('\n');
        var allowed = new UdevClasses();
        foreach (NarrowedRule rule in rules)
        {
            text.Append(rule.Rule.Allow ? Allow(rule, allowed, notes) : Deny(rule.Rule));
        }

        return new UsbExport(text.Append(Foot).Append('\n').ToString(), notes);
    }

    private static UsbRule Sayable(UsbRule rule) => rule with
    {
        Serial = IsPattern(rule.Serial) ? rule.Serial : null,
        Port = IsPattern(rule.Port) ? rule.Port : null,
    };

    // udev's own wildcards are ours and more, and it has no way to quote them.
    private static bool IsPattern(string? text) => text is not null && text.All(sign => char.IsAscii(sign) && sign is not ('[' or ']' or '|' or '\\' or '"'));

    private static string Deny(UsbRule rule)
    {
        string device = Device(rule);
        return rule.Class is null
            ? $"{Comma(device)}GOTO=\"vmcrypt_usb_deny\"\n"
            : $"{Comma(device)}ATTR{{bDeviceClass}}==\"{rule.Class:x2}\", GOTO=\"vmcrypt_usb_deny\"\n"
                + $"{Comma(device)}ENV{{ID_USB_INTERFACES}}==\"*:{UdevClasses.Pattern(rule)}:*\", GOTO=\"vmcrypt_usb_deny\"\n";
    }

    private static string Allow(NarrowedRule numbered, UdevClasses allowed, List<string> notes)
    {
        UsbRule rule = numbered.Rule;
        string device = Device(rule);
        allowed.Add(device, rule);
        string interfaces = string.Empty;
        if (allowed.Of(device) is { } classes)
        {
            int types = LongestList(classes.Patterns.Count);
            string lists = string.Join('|', Enumerable.Range(1, types).SelectMany(length => Lists(classes.Patterns, length)));
            interfaces = $"ATTR{{bDeviceClass}}==\"{string.Join('|', classes.Own)}\", ENV{{ID_USB_INTERFACES}}==\"{lists}\", ";
            notes.Add($"Rule {numbered.Number} ({rule}) allows devices with at most {types} different interface types under udev.");
        }

        return $"{Comma(device)}{interfaces}GOTO=\"vmcrypt_usb_allow\"\n";
    }

    // The most types whose lists, of every length up to it, stay a readable line.
    private static int LongestList(int patterns)
    {
        int types = 1;
        for (double sum = patterns, last = patterns; types < MaxTypes && sum + (last *= patterns) <= UdevClasses.MaxPatterns; types++)
        {
            sum += last;
        }

        return types;
    }

    private static IEnumerable<string> Lists(IReadOnlyList<string> patterns, int length) => length == 1
        ? patterns.Select(pattern => $":{pattern}:")
        : Lists(patterns, length - 1).SelectMany(_ => patterns, (head, pattern) => $"{head}{pattern}:");

    private static string Device(UsbRule rule) => string.Join(", ", new[]
    {
        rule.VendorId is { } vendor ? $"ATTR{{idVendor}}==\"{vendor:x4}\"" : null,
        rule.ProductId is { } product ? $"ATTR{{idProduct}}==\"{product:x4}\"" : null,
        rule.Version is { } version ? $"ATTR{{bcdDevice}}==\"{version:x4}\"" : null,
        rule.Serial is { } serial ? (serial.Length == 0 ? "TEST!=\"serial\"" : $"ATTR{{serial}}==\"{serial}\"") : null,
        rule.Port is { } port ? $"KERNEL==\"{port}\"" : null,
    }.Where(part => part is not null));

    private static string Comma(string condition) => condition.Length == 0 ? string.Empty : condition + ", ";
}
