using System.Text;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Languages;

/// <summary>A whitelist as Windows device installation policy: allowed hardware ids, everything unnamed prevented.</summary>
/// <remarks>
/// Written without layered evaluation, so that "prevent" beats "allow" wherever both match. A denying rule is only written where it
/// takes something from an allowing rule behind it; where it cannot be said, that allowing rule is left out instead.
/// </remarks>
internal static class WindowsPolicyWriter
{
    private const string Key = @"HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\DeviceInstall\Restrictions";

    private static readonly string[] s_standingNotes =
    [
        "The policy decides when a device is installed; a device that Windows already has stays installed.",
        "What a device brings up behind itself (disks and volumes of a stick, functions of a composite device) needs entries of its own.",
        "'Prevent' beats 'allow' in Windows whatever the order of the rules.",
    ];

    public static UsbExport Format(UsbWhitelist whitelist)
    {
        List<string> notes = [.. s_standingNotes], allowed = [], instances = [], denied = [];
        UsbRule[] rules = [.. whitelist.Rules.Select(rule => rule.Checked())];
        for (int index = 0; index < rules.Length; index++)
        {
            UsbRule rule = rules[index];
            if (rule.Allow)
            {
                Allow(rules, index, allowed, instances, notes);
            }
            else if (HardwareId(rule) is { } id && rules.Skip(index + 1).Any(later => later.Allow && Overlap(rule, later)))
            {
                denied.Add(id);
            }
        }

        return new UsbExport(Registry(allowed, instances, denied), notes);
    }

    private static void Allow(UsbRule[] rules, int index, List<string> allowed, List<string> instances, List<string> notes)
    {
        UsbRule rule = rules[index];
        UsbRule? unsaid = rules.Take(index).FirstOrDefault(earlier => !earlier.Allow && HardwareId(earlier) is null && Overlap(earlier, rule));
        if (unsaid is not null)
        {
            notes.Add($"Rule {index + 1} ({rule}) is left out: Windows cannot say the denying rule before it ({unsaid}).");
        }
        else if (HardwareId(rule) is { } id)
        {
            allowed.Add(id);
        }
        else if (InstanceId(rule) is { } instance)
        {
            instances.Add(instance);
        }
        else
        {
            notes.Add($"Rule {index + 1} ({rule}) is left out: a hardware id is vendor and product, with a version or a serial number, or a class alone.");
        }
    }

    private static string? HardwareId(UsbRule rule) => rule switch
    {
        { Serial: not null } or { Port: not null } or { ValidFrom: not null } or { ValidUntil: not null } => null,
        { VendorId: { } vendor, ProductId: { } product, Class: null } =>
            $@"USB\VID_{vendor:X4}&PID_{product:X4}" + (rule.Version is { } version ? $"&REV_{version:X4}" : string.Empty),
        { VendorId: null, ProductId: null, Version: null, Class: { } code } =>
            $@"USB\Class_{code:X2}" + (rule.Subclass is { } sub ? $"&SubClass_{sub:X2}" : string.Empty) + (rule.Protocol is { } protocol ? $"&Prot_{protocol:X2}" : string.Empty),
        _ => null,
    };

    private static string? InstanceId(UsbRule rule) =>
        rule is { VendorId: { } vendor, ProductId: { } product, Serial: { Length: > 0 } serial, Class: null, Version: null, Port: null, ValidFrom: null, ValidUntil: null }
        && serial.All(sign => char.IsAsciiLetterOrDigit(sign) || sign is '-' or '_' or '.')
            ? $@"USB\VID_{vendor:X4}&PID_{product:X4}\{serial.ToUpperInvariant()}"
            : null;

    private static bool Overlap(UsbRule one, UsbRule other) =>
        Meet(one.VendorId, other.VendorId) && Meet(one.ProductId, other.ProductId) && Meet(one.Version, other.Version)
        && Meet(one.Class, other.Class);

    private static bool Meet(int? one, int? other) => one is null || other is null || one == other;

    private static string Registry(List<string> allowed, List<string> instances, List<string> denied)
    {
        var text = new StringBuilder("Windows Registry Editor Version 5.00\r\n\r\n");
        text.Append($"[{Key}]\r\n\"DenyUnspecified\"=dword:00000001\r\n\"AllowAdminInstall\"=dword:00000000\r\n");
        (string Name, List<string> Ids)[] lists = [("AllowDeviceIDs", allowed), ("AllowInstanceIDs", instances), ("DenyDeviceIDs", denied)];
        foreach ((string name, List<string> ids) in lists)
        {
            text.Append($"\"{name}\"=dword:0000000{(ids.Count > 0 ? 1 : 0)}\r\n");
        }

        foreach ((string name, List<string> ids) in lists)
        {
            // The minus clears what an older list left behind.
            text.Append($"\r\n[-{Key}\\{name}]\r\n");
            string[] different = [.. ids.Distinct()];
            for (int index = 0; index < different.Length; index++)
            {
                text.Append(index == 0 ? $"\r\n[{Key}\\{name}]\r\n" : string.Empty);
                text.Append($"\"{index + 1}\"=\"{different[index].Replace("\\", "\\\\", StringComparison.Ordinal)}\"\r\n");
            }
        }

        return text.ToString();
    }
}
