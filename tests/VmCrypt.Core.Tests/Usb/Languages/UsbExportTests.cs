using VmCrypt.Core.Usb.Languages;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Tests.Usb.Languages;

public sealed class UsbExportTests
{
    [Theory]
    [InlineData(UsbExportFormat.UsbredirFilter, "", "-1,-1,-1,-1,0")]
    [InlineData(UsbExportFormat.UsbredirFilter, "048d:1169|class=08 version=2.56", "-1,0x048d,0x1169,-1,1|0x08,-1,-1,0x0256,1|-1,-1,-1,-1,0")]
    [InlineData(UsbExportFormat.QemuDeviceProperty, "048d:1169", "filter=-1:0x048d:0x1169:-1:1|-1:-1:-1:-1:0")]
    // Left out where it would allow more, without the condition where it denies.
    [InlineData(UsbExportFormat.UsbredirFilter, "048d:1169 serial=A|deny 1234:* port=1-1|1234:5678", "-1,0x1234,-1,-1,0|-1,0x1234,0x5678,-1,1|-1,-1,-1,-1,0")]
    [InlineData(UsbExportFormat.UsbredirFilter, "class=08:06", "-1,-1,-1,-1,0")]
    [InlineData(UsbExportFormat.UsbredirFilter, "048d:1169 until=2030-01-01T00:00:00Z", "-1,-1,-1,-1,0")]
    [InlineData(UsbExportFormat.SpiceClientFilter, "class=08", "--spice-usbredir-auto-redirect-filter=0x08,-1,-1,-1,1|-1,-1,-1,-1,0\n--spice-usbredir-redirect-on-connect=0x08,-1,-1,-1,1|-1,-1,-1,-1,0")]
    [InlineData(UsbExportFormat.LibvirtXml, "048d:1169 version=2.56|*:* version=0x0a00", "<redirfilter>\n  <usbdev vendor=\"0x048d\" product=\"0x1169\" version=\"2.56\" allow=\"yes\" />\n  <usbdev allow=\"no\" />\n</redirfilter>")]
    [InlineData(UsbExportFormat.UsbGuardRules, "", "block\n")]
    [InlineData(UsbExportFormat.UsbGuardRules, "048d:1169 serial=\"A B\" label=blue", "allow id 048d:1169 serial \"A B\" label \"blue\"\nblock\n")]
    [InlineData(UsbExportFormat.UsbGuardRules, "class=08|deny class=03|class=0b:00", "allow with-interface match-all { 08:*:* }\nblock with-interface one-of { 03:*:* }\nallow with-interface match-all { 08:*:* 0b:00:* }\nblock\n")]
    [InlineData(UsbExportFormat.UsbGuardRules, "class=08|1234:5678 class=ff", "allow with-interface match-all { 08:*:* }\nallow id 1234:5678 with-interface match-all { 08:*:* ff:*:* }\nblock\n")]
    [InlineData(UsbExportFormat.UsbGuardRules, "deny 1234:* version=1.00|1234:*", "block id 1234:*\nallow id 1234:*\nblock\n")]
    public void Says_the_list_in_the_language(UsbExportFormat format, string rules, string text) =>
        Assert.Equal(text, UsbLanguages.Format(List(rules), format).Text.ReplaceLineEndings("\n"));

    [Fact]
    public void Says_what_was_narrowed()
    {
        UsbExport export = UsbLanguages.Format(List("048d:1169 serial=A|deny 1234:* port=1-1"), UsbExportFormat.UsbredirFilter);

        Assert.Equal(
            [
                "Rule 1 (allow 048d:1169 serial=\"A\") is left out: a usbredir filter cannot say this serial number.",
                "Rule 2 (deny 1234:* port=\"1-1\") denies more: a usbredir filter cannot say this port.",
            ],
            export.Notes);
    }

    [Theory]
    [InlineData("048d:1169", "ATTR{idVendor}==\"048d\", ATTR{idProduct}==\"1169\", GOTO=\"vmcrypt_usb_allow\"")]
    [InlineData("048d:1169 serial=\"\"", "ATTR{idVendor}==\"048d\", ATTR{idProduct}==\"1169\", TEST!=\"serial\", GOTO=\"vmcrypt_usb_allow\"")]
    [InlineData("deny class=03", "ENV{ID_USB_INTERFACES}==\"*:03????:*\", GOTO=\"vmcrypt_usb_deny\"")]
    [InlineData("class=08", "ATTR{bDeviceClass}==\"00|ef|08\", ENV{ID_USB_INTERFACES}==\":08????:|:08????:08????:|:08????:08????:08????:|:08????:08????:08????:08????:\", GOTO=\"vmcrypt_usb_allow\"")]
    public void Udev_gets_a_line_for_each_rule(string rules, string line) =>
        Assert.Contains(line, UsbLanguages.Format(List(rules), UsbExportFormat.UdevRules).Text.Split('\n'));

    [Fact]
    public void Udev_gets_a_line_of_bounded_length_for_each_of_ten_thousand_rules()
    {
        var list = new UsbWhitelist { Rules = [.. Enumerable.Range(0, 10_000).Select(number => new UsbRule { Allow = true, Class = (byte)(number >> 8), Subclass = (byte)number })] };

        string[] lines = UsbLanguages.Format(list, UsbExportFormat.UdevRules).Text.Split('\n');

        Assert.Equal(10_000, lines.Count(line => line.EndsWith("GOTO=\"vmcrypt_usb_allow\"", StringComparison.Ordinal)));
        Assert.True(lines.Max(line => line.Length) < 16_000);
    }

    [Theory]
    [InlineData("048d:1169", @"""1""=""USB\\VID_048D&PID_1169""", true)]
    [InlineData("048d:1169 version=2.56", @"""1""=""USB\\VID_048D&PID_1169&REV_0256""", true)]
    [InlineData("048d:1169 serial=a1", @"""1""=""USB\\VID_048D&PID_1169\\A1""", true)]
    [InlineData("class=08:06:50", @"""1""=""USB\\Class_08&SubClass_06&Prot_50""", true)]
    [InlineData("deny 048d:1169", "VID_048D", false)]
    [InlineData("deny serial=A|048d:1169", "VID_048D", false)]
    [InlineData("048d:*", "VID_048D", false)]
    [InlineData("048d:1169 class=08", "VID_048D", false)]
    public void Windows_gets_hardware_ids(string rules, string piece, bool contained) =>
        Assert.Equal(contained, UsbLanguages.Format(List(rules), UsbExportFormat.WindowsDeviceInstallation).Text.Contains(piece, StringComparison.Ordinal));

    private static UsbWhitelist List(string rules) =>
        new() { Rules = [.. rules.Split('|', StringSplitOptions.RemoveEmptyEntries).Select(UsbRuleText.Parse)] };
}
