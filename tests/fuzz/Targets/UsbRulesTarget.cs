using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb;
using VmCrypt.Core.Usb.Languages;
using VmCrypt.Core.Usb.Rules;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>USB rules in any of the languages that we read, written in all that we write, and asked about devices.</summary>
internal sealed class UsbRulesTarget : IFuzzTarget
{
    private static readonly DateTimeOffset s_now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private static readonly UsbDeviceDescription[] s_devices =
    [
        new() { VendorId = 0x048d, ProductId = 0x1169 },
        new() { VendorId = 0x046d, ProductId = 0xc31c, Version = 0x0256, Serial = "A*", Port = "1-2.4", DeviceClass = default, Interfaces = [new(3, 1, 1), new(3, 0, 0)] },
    ];

    public string Name => "usb-rules";

    public IReadOnlyList<byte[]> Words { get; } = Text.Words(
        "allow", "deny", "block", "reject", "048d:1169", "*:*", "046d:*", "class=", "08:06:50", "version=2.56", "serial=\"", "port=\"1-2.*\"", "label=\"", "from=2026-01-01T00:00:00Z",
        "until=9999-12-31T23:59:59.9999999+14:00", "0x08,0x048d,0x1169,-1,1", "|", "filter=", "-1:-1:-1:-1:0", "010", "<usbdev class='0x08' vendor='0x048d' product='1' version='2.56' allow='yes'/>",
        "<redirfilter>", "</redirfilter>", "<!DOCTYPE a [<!ENTITY b 'c'>]>", "id ", "hash ", "name ", "via-port ", "with-interface ", "with-connect-type ", "one-of", "all-of", "none-of", "match-all",
        "equals-ordered", "{ ", " }", "if ", "true", "\"", "\\", "\n", "#", "label ");

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        UsbImport import = UsbLanguages.Parse(Text.Of(input));
        trace.Note("rules", import.Rules.Count);
        trace.Note("notes", import.Notes.Count);
        var list = new UsbWhitelist { Rules = import.Rules };
        var rules = new UsbRuleSet(list);
        foreach (UsbDeviceDescription device in s_devices)
        {
            trace.Note($"allowed {rules.Judge(device, s_now).Allowed}", rules.Judge(device, s_now).ToString().Length);
        }

        foreach (UsbRule rule in import.Rules)
        {
            DefectException.Unless(UsbRuleText.Parse(rule.ToString()) == rule, $"A rule comes back as another. {rule}");
        }

        foreach (UsbExportFormat format in Enum.GetValues<UsbExportFormat>())
        {
            Export(list, format, trace);
        }
    }

    /// <summary>What we wrote for others we must be able to read again where it is a language that we read.</summary>
    private static void Export(UsbWhitelist list, UsbExportFormat format, Trace trace)
    {
        UsbExport export = UsbLanguages.Format(list, format);
        trace.Note($"{format}", export.Notes.Count);
        if (format is not (UsbExportFormat.UdevRules or UsbExportFormat.SpiceClientFilter or UsbExportFormat.WindowsDeviceInstallation))
        {
            try
            {
                UsbLanguages.Parse(export.Text);
            }
            catch (VmCryptException refusal)
            {
                throw new DefectException($"Our own {format} is not understood. {refusal}");
            }
        }
    }
}
