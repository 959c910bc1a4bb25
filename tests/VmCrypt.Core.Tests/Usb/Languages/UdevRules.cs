using System.IO.Enumeration;
using System.Text.RegularExpressions;
using VmCrypt.Core.Usb;

namespace VmCrypt.Core.Tests.Usb.Languages;

/// <summary>Reads the rules that we write for udev as udev does (udev(7)): line by line, conditions, then jumps and assignments.</summary>
internal sealed partial class UdevRules(string text)
{
    private readonly string[] _lines = [.. text.Split('\n').Where(line => line is not ("" or ['#', ..]))];

    /// <summary>What a new device is authorised to.</summary>
    public bool Allow(UsbDeviceDescription device)
    {
        bool authorized = true;
        for (int at = 0; at < _lines.Length; at++)
        {
            Match[] terms = [.. Term().Matches(_lines[at]).Cast<Match>()];
            Assert.Equal(_lines[at], string.Join(", ", terms.Select(term => term.Value)));
            if (!terms.Where(term => term.Groups["op"].Value is "==" or "!=").All(term => Holds(term, device)))
            {
                continue;
            }

            foreach (Match action in terms.Where(term => term.Groups["op"].Value == "="))
            {
                string value = action.Groups["value"].Value;
                authorized = action.Groups["key"].Value == "ATTR{authorized}" ? value == "1" : authorized;
                at = action.Groups["key"].Value == "GOTO" ? Array.IndexOf(_lines, $"LABEL=\"{value}\"", at) : at;
                Assert.True(at >= 0, $"the label {value} does not come behind its jump");
            }
        }

        return authorized;
    }

    private static bool Holds(Match term, UsbDeviceDescription device)
    {
        bool wanted = term.Groups["op"].Value == "==";
        string pattern = term.Groups["value"].Value;
        if (term.Groups["key"].Value == "TEST")
        {
            return (Value($"ATTR{{{pattern}}}", device) is not null) == wanted;
        }

        // An attribute that is not there fits no pattern, and fails no pattern either.
        return Value(term.Groups["key"].Value, device) is { } value
            && pattern.Split('|').Any(one => FileSystemName.MatchesSimpleExpression(one, value, ignoreCase: false)) == wanted;
    }

    private static string? Value(string key, UsbDeviceDescription device) => key switch
    {
        "ACTION" => "add",
        "SUBSYSTEM" => "usb",
        "ENV{DEVTYPE}" => "usb_device",
        "KERNEL" => device.Port,
        "ATTR{idVendor}" => $"{device.VendorId:x4}",
        "ATTR{idProduct}" => $"{device.ProductId:x4}",
        "ATTR{bcdDevice}" => $"{device.Version:x4}",
        "ATTR{bDeviceClass}" => $"{device.DeviceClass!.Value.BaseClass:x2}",
        "ATTR{serial}" => device.Serial is { Length: > 0 } serial ? serial : null,
        // usb_id: each different type once, in the order of the descriptors.
        "ENV{ID_USB_INTERFACES}" => $":{string.Concat(device.Interfaces!.Distinct().Select(code => $"{code.BaseClass:x2}{code.Subclass:x2}{code.Protocol:x2}:"))}",
        _ => throw new ArgumentOutOfRangeException(nameof(key), key, "no key of ours"),
    };

    [GeneratedRegex("""(?<key>[A-Z]+(\{\w+\})?)(?<op>==|!=|=)["](?<value>[^"]*)["]""", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Term();
}
