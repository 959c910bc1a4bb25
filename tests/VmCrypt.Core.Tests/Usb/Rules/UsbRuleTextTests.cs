using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Tests.Usb.Rules;

public sealed class UsbRuleTextTests
{
    [Theory]
    [InlineData("048d:1169", "allow 048d:1169")]
    [InlineData("allow 048D:1169", "allow 048d:1169")]
    [InlineData("deny *:*", "deny")]
    [InlineData("048d:*", "allow 048d:*")]
    [InlineData("class=08", "allow class=08")]
    [InlineData("class=0x10", "allow class=10")]
    [InlineData("deny class=08:06:50", "deny class=08:06:50")]
    [InlineData("class=08:*:*", "allow class=08")]
    [InlineData("48d:1169 version=2.56", "allow 048d:1169 version=2.56")]
    [InlineData("*:* version=0x0a1b", "allow version=a.1b")]
    [InlineData("048d:1169 serial=\"A \\\"1\\\"\" port=1-2.*", "allow 048d:1169 serial=\"A \\\"1\\\"\" port=\"1-2.*\"")]
    [InlineData("048d:1169 label=\"the blue stick\" until=2026-01-31T18:00:00Z", "allow 048d:1169 label=\"the blue stick\" until=2026-01-31T18:00:00.0000000+00:00")]
    [InlineData("serial=\"\"", "allow serial=\"\"")]
    public void Reads_and_writes_every_field(string text, string written)
    {
        UsbRule rule = UsbRuleText.Parse(text);

        Assert.Equal(written, rule.ToString());
        Assert.Equal(rule, UsbRuleText.Parse(written));
    }

    [Theory]
    [InlineData("")]
    [InlineData("permit 048d:1169")]
    [InlineData("048d")]
    [InlineData("048d:1169:0001")]
    [InlineData("1048d:1169")]
    [InlineData("048d:1169 048d:1170")]
    [InlineData("class=100")]
    [InlineData("class=08:06:50:00")]
    [InlineData("class=*:06")]
    [InlineData("class=08:*:50")]
    [InlineData("class=8 class=9")]
    [InlineData("version=2.5")]
    [InlineData("version=256")]
    [InlineData("version=2.561")]
    [InlineData("serial=\"open")]
    [InlineData("port=")]
    [InlineData("until=soon")]
    [InlineData("from=2026-01-02 until=2026-01-01")]
    [InlineData("colour=blue")]
    [InlineData("048d:1169 deny")]
    public void Refuses_what_it_does_not_understand(string text)
    {
        var error = Assert.Throws<InvalidInputException>(() => UsbRuleText.Parse(text));
        Assert.Equal(ErrorIds.UsbRuleInvalid, error.ErrorId);
    }
}
