using VmCrypt.Core.Usb;
using VmCrypt.Core.Usb.Languages;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Tests.Usb.Languages;

/// <summary>What an export allows, as its target reads it, the list allows too; usbredir's own is asked in the interop tests.</summary>
public sealed class NeverWiderTests
{
    private const int Rounds = 20_000;

    private static readonly DateTimeOffset s_now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly string[] s_deviceClasses = ["00:00:00", "00:00:00", "ef:02:01", "08:06:50", "ff:00:00"];
    private static readonly string[] s_classes = ["08:06:50", "08:06:62", "03:01:01", "03:00:00", "ff:00:00"];

    [Fact]
    public void Under_USBGuard() => AssertNeverWider(UsbExportFormat.UsbGuardRules, (text, device) =>
        text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => new UsbGuardLine(line)).First(line => Matches(line, device)).Allows);

    [Fact]
    public void Under_udev() => AssertNeverWider(UsbExportFormat.UdevRules, (text, device) => new UdevRules(text).Allow(device));

    [Fact]
    public void Under_Windows_device_installation_policy() => AssertNeverWider(UsbExportFormat.WindowsDeviceInstallation, (text, device) =>
    {
        string[] ids = [.. HardwareIds(device)];
        bool Lists(string section, IEnumerable<string> any) => Section(text, section).Intersect(any, StringComparer.OrdinalIgnoreCase).Any();
        return !Lists("DenyDeviceIDs", ids)
            && (Lists("AllowDeviceIDs", ids) || Lists("AllowInstanceIDs", [$@"USB\VID_{device.VendorId:X4}&PID_{device.ProductId:X4}\{device.Serial}"]));
    });

    private static void AssertNeverWider(UsbExportFormat format, Func<string, UsbDeviceDescription, bool> allows)
    {
        var random = new Random(3);
        int allowed = 0;
        for (int round = 0; round < Rounds; round++)
        {
            var list = new UsbWhitelist { Rules = [.. Enumerable.Range(0, random.Next(1, 6)).Select(_ => RandomRule(random))] };
            UsbDeviceDescription device = RandomDevice(random, composite: format != UsbExportFormat.WindowsDeviceInstallation);
            device = format == UsbExportFormat.UdevRules ? device with { DeviceClass = UsbClassCode.Parse(Pick(random, s_deviceClasses)) } : device;
            string text = UsbLanguages.Format(list, format).Text;
            if (allows(text, device))
            {
                UsbVerdict verdict = new UsbRuleSet(list).Judge(device, s_now);
                Assert.True(verdict.Allowed, $"round {round}: {format} allows, but {verdict}\n{string.Join('\n', list.Rules)}\n{text}");
                allowed++;
            }
        }

        Assert.True(allowed > Rounds / 100, $"only {allowed} devices passed");
    }

    private static bool Matches(UsbGuardLine line, UsbDeviceDescription device)
    {
        string[] shown = [.. device.Interfaces!.Select(code => code.ToString())];
        bool Is(string pattern, string code) => pattern.Split(':').Zip(code.Split(':')).All(pair => pair.First == "*" || pair.First == pair.Second);
        return (line["id"] is not { } id || id.Values[0] == device.Id || id.Values[0] == $"{device.VendorId:x4}:*")
            && (line["serial"] is not { } serial || serial.Values[0] == device.Serial)
            && (line["via-port"] is not { } port || port.Values[0] == device.Port)
            && (line["with-interface"] is not { } set || (set.Operator == "one-of"
                ? shown.Any(code => set.Values.Any(pattern => Is(pattern, code)))
                : shown.All(code => set.Values.Any(pattern => Is(pattern, code)))));
    }

    // A device with one interface, which Windows knows by its own ids and by the class of that interface.
    private static IEnumerable<string> HardwareIds(UsbDeviceDescription device)
    {
        UsbClassCode code = device.Interfaces![0];
        string id = $@"USB\VID_{device.VendorId:X4}&PID_{device.ProductId:X4}";
        string type = $@"USB\Class_{code.BaseClass:X2}";
        return [$"{id}&REV_{device.Version:X4}", id, type, $"{type}&SubClass_{code.Subclass:X2}", $"{type}&SubClass_{code.Subclass:X2}&Prot_{code.Protocol:X2}"];
    }

    private static IEnumerable<string> Section(string text, string name) => text.Split("\r\n")
        .SkipWhile(line => !line.EndsWith($@"\{name}]", StringComparison.Ordinal) || line.StartsWith("[-", StringComparison.Ordinal)).Skip(1)
        .TakeWhile(line => line.StartsWith('"')).Select(line => line.Split('"')[3].Replace(@"\\", @"\", StringComparison.Ordinal));

    private static UsbDeviceDescription RandomDevice(Random random, bool composite) => new()
    {
        VendorId = Pick<ushort>(random, 0x48d, 0x1234),
        ProductId = Pick<ushort>(random, 0x1169, 0x5678),
        Version = Pick<ushort>(random, 0x100, 0x256),
        DeviceClass = default(UsbClassCode),
        Interfaces = [.. Enumerable.Range(0, composite ? random.Next(1, 4) : 1).Select(_ => UsbClassCode.Parse(Pick(random, s_classes)))],
        Serial = Pick(random, string.Empty, "A", "B"),
        Port = Pick(random, "1-1", "1-2"),
    };

    private static UsbRule RandomRule(Random random)
    {
        bool byClass = random.Next(2) == 0;
        UsbClassCode code = UsbClassCode.Parse(Pick(random, s_classes));
        bool byId = random.Next(3) > 0;
        return new UsbRule
        {
            Allow = random.Next(3) > 0,
            VendorId = byId ? Pick<ushort>(random, 0x48d, 0x1234) : null,
            ProductId = byId && random.Next(3) > 0 ? Pick<ushort>(random, 0x1169, 0x5678) : null,
            Version = random.Next(5) == 0 ? Pick<ushort>(random, 0x100, 0x256) : null,
            Class = byClass ? code.BaseClass : null,
            Subclass = byClass && random.Next(2) == 0 ? code.Subclass : null,
            Serial = random.Next(5) == 0 ? Pick(random, string.Empty, "A", "B", "*") : null,
            Port = random.Next(5) == 0 ? Pick(random, "1-1", "1-*") : null,
            ValidUntil = random.Next(8) == 0 ? s_now.AddHours(random.Next(-1, 2)) : null,
        };
    }

    private static T Pick<T>(Random random, params T[] values) => values[random.Next(values.Length)];
}
