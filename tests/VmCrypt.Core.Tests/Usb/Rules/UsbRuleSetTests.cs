using VmCrypt.Core.Usb;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Tests.Usb.Rules;

public sealed class UsbRuleSetTests
{
    private static readonly DateTimeOffset s_now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private static readonly UsbDeviceDescription s_stick = new()
    {
        VendorId = 0x048d,
        ProductId = 0x1169,
        Version = 0x0100,
        DeviceClass = default(UsbClassCode),
        Interfaces = [UsbClassCode.Parse("08:06:50")],
        Serial = "A1",
        Port = "1-2",
    };

    [Fact]
    public void An_empty_list_allows_nothing()
    {
        UsbVerdict verdict = UsbRuleSet.DenyAll.Judge(s_stick, s_now);

        Assert.False(verdict.Allowed);
        Assert.Equal("048d:1169 is denied: the list is empty, which denies every device.", verdict.ToString());
    }

    [Theory]
    [InlineData("048d:1169", true)]
    [InlineData("048d:*", true)]
    [InlineData("class=08", true)]
    [InlineData("class=08:06:50", true)]
    [InlineData("class=08:06:62", false)]
    [InlineData("048d:1170", false)]
    [InlineData("048d:1169 version=1.00", true)]
    [InlineData("048d:1169 version=2.00", false)]
    [InlineData("048d:1169 serial=A1", true)]
    [InlineData("048d:1169 serial=A*", true)]
    [InlineData("048d:1169 serial=B*", false)]
    [InlineData("048d:1169 serial=\"A\\\\*\"", false)]
    [InlineData("serial=\"\"", false)]
    [InlineData("port=1-2", true)]
    [InlineData("port=1-*", true)]
    [InlineData("port=2-*", false)]
    [InlineData("048d:1169 until=2026-01-01T12:00:00Z", false)]
    [InlineData("048d:1169 until=2026-01-01T12:00:01Z", true)]
    [InlineData("048d:1169 from=2026-01-01T12:00:00Z", true)]
    [InlineData("048d:1169 from=2026-01-01T12:00:01Z", false)]
    [InlineData("deny 048d:1169|048d:1169", false)]
    [InlineData("048d:1169|deny 048d:1169", true)]
    [InlineData("deny 048d:1169 serial=A1|048d:*", false)]
    [InlineData("deny 048d:1169 serial=A2|048d:*", true)]
    [InlineData("deny serial=A?|048d:*", false)]
    [InlineData("class=03|048d:1169 serial=A1|deny", true)]
    public void The_first_rule_that_matches_decides(string rules, bool allowed) => Assert.Equal(allowed, Judge(rules, s_stick).Allowed);

    [Fact]
    public void Every_interface_of_a_composite_device_must_be_allowed()
    {
        UsbDeviceDescription hidden = s_stick with { Interfaces = [UsbClassCode.Parse("08:06:50"), UsbClassCode.Parse("03:01:01")] };

        UsbVerdict verdict = Judge("class=08|deny class=03", hidden);

        Assert.False(verdict.Allowed);
        Assert.Equal(1, verdict.DeniedBy!.Interface);
        Assert.Equal(2, verdict.DeniedBy.RuleNumber);
        Assert.Equal("interface 1 (03:01:01) is denied by rule 2 (deny class=03)", verdict.Reason);
    }

    [Fact]
    public void A_non_boot_HID_beside_others_is_not_asked()
    {
        UsbDeviceDescription headset = s_stick with { Interfaces = [UsbClassCode.Parse("01:01:00"), UsbClassCode.Parse("03:00:00")] };
        UsbDeviceDescription keys = s_stick with { Interfaces = [UsbClassCode.Parse("03:00:00"), UsbClassCode.Parse("03:00:00")] };

        Assert.True(Judge("class=01", headset).Allowed);
        Assert.Contains("interface 1 (03:00:00) is a HID function beside others and not asked", Judge("class=01", headset).Reason, StringComparison.Ordinal);
        Assert.False(Judge("class=01", keys).Allowed);
    }

    [Fact]
    public void A_device_class_of_its_own_is_asked_first()
    {
        UsbDeviceDescription odd = s_stick with { DeviceClass = UsbClassCode.Parse("ff:00:00") };

        Assert.False(Judge("class=08", odd).Allowed);
        Assert.True(Judge("class=08|class=ff", odd).Allowed);
        Assert.True(Judge("class=08", s_stick with { DeviceClass = UsbClassCode.Parse("ef:02:01") }).Allowed);
    }

    // What a channel does not show must never help the device.
    [Theory]
    [InlineData("048d:1169 serial=A1", false)]
    [InlineData("048d:1169 serial=*", false)]
    [InlineData("048d:1169 port=1-2", false)]
    [InlineData("048d:1169 version=1.00", false)]
    [InlineData("class=08", false)]
    [InlineData("048d:1169", true)]
    [InlineData("deny serial=B2|048d:1169", false)]
    [InlineData("deny class=03|048d:1169", false)]
    [InlineData("deny port=9-9|048d:1169", false)]
    [InlineData("deny version=9.00|048d:1169", false)]
    [InlineData("deny 1234:* class=03|048d:1169", true)]
    [InlineData("deny 048d:* serial=B2|048d:1169", false)]
    public void What_is_not_shown_never_helps(string rules, bool allowed) =>
        Assert.Equal(allowed, Judge(rules, UsbDeviceDescription.Parse("048d:1169")).Allowed);

    // The index must find what asking every rule in turn would find.
    [Fact]
    public void The_index_agrees_with_the_plain_search()
    {
        var random = new Random(5);
        for (int round = 0; round < 5000; round++)
        {
            string[] rules = [.. Enumerable.Range(0, random.Next(1, 8)).Select(_ => RandomRule(random))];
            UsbDeviceDescription device = s_stick with
            {
                Serial = random.Next(3) switch { 0 => null, 1 => "A1", _ => "B2" },
                Interfaces = random.Next(3) == 0 ? null : [UsbClassCode.Parse(random.Next(2) == 0 ? "08:06:50" : "03:01:01")],
            };

            // A list of one rule is searched plainly: the first of these that has an opinion is the first match.
            bool? plain = rules.Select(rule => Judge(rule, device).Passes[^1]).FirstOrDefault(pass => pass.Result != UsbPassResult.NoRule)?.Result switch
            {
                UsbPassResult.Allowed => true,
                UsbPassResult.Denied => false,
                _ => null,
            };

            Assert.Equal(plain ?? false, Judge(string.Join('|', rules), device).Allowed);
        }
    }

    private static string RandomRule(Random random) => string.Concat(
        random.Next(3) == 0 ? "deny" : "allow",
        random.Next(3) switch { 0 => " 048d:1169", 1 => " 048d:*", _ => string.Empty },
        random.Next(3) switch { 0 => " class=08", 1 => " class=03:01", _ => string.Empty },
        random.Next(4) switch { 0 => " serial=A1", 1 => " serial=B*", _ => string.Empty });

    private static UsbVerdict Judge(string rules, UsbDeviceDescription device) =>
        new UsbRuleSet(new UsbWhitelist { Rules = [.. rules.Split('|').Select(UsbRuleText.Parse)] }).Judge(device, s_now);
}
