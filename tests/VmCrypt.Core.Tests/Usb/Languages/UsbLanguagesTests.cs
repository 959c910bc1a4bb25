using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Languages;

namespace VmCrypt.Core.Tests.Usb.Languages;

public sealed class UsbLanguagesTests
{
    [Theory]
    [InlineData("048d:1169", "allow 048d:1169")]
    [InlineData("class=08", "allow class=08")]
    [InlineData("# a comment\n048d:1169\n\ndeny class=03", "allow 048d:1169|deny class=03")]
    // usbredir: C's numbers, so 010 is octal.
    [InlineData("010,0x048d,0x1169,-1,1", "allow 048d:1169 class=08")]
    [InlineData("0x08,-1,-1,0x0256,1|-1,-1,-1,-1,0", "allow class=08 version=2.56|deny")]
    [InlineData("filter=-1:1165:4457:-1:1", "allow 048d:1169")]
    [InlineData("3:-1:-1:-1:0|-1:-1:-1:-1:1", "deny class=03|allow")]
    // libvirt: versions are decimal digits that become BCD, and 2.5 is 2.50.
    [InlineData("<usbdev class='0x08' vendor='0x048d' product='0x1169' version='2.56' allow='yes'/>", "allow 048d:1169 class=08 version=2.56")]
    [InlineData("<usbdev version='2.5' allow='no'/>", "deny version=2.50")]
    [InlineData("<usbdev version='10.2' allow='no'/>", "deny version=10.20")]
    [InlineData("<usbdev class='010' allow='yes'/><usbdev class='-1' vendor='-1' version='-1' allow='no'/>", "allow class=08|deny")]
    [InlineData("<redirfilter><usbdev allow='yes'/></redirfilter>", "allow")]
    // USBGuard.
    [InlineData("allow id 048d:1169 serial \"A*1\" via-port \"1-2\" label \"blue\"", "allow 048d:1169 serial=\"A\\\\*1\" port=\"1-2\" label=\"blue\"")]
    [InlineData("allow 1050:0011 via-port \"1-2\"\nreject via-port \"1-2\"", "allow 1050:0011 port=\"1-2\"|deny port=\"1-2\"")]
    [InlineData("allow with-interface equals { 08:*:* }", "allow class=08")]
    [InlineData("block with-interface one-of { 03:01:01 e0:*:* }", "deny class=03:01:01|deny class=e0")]
    [InlineData("allow id one-of { 1234:* 048d:1169 } with-interface match-all { 08:06:50 }", "allow 1234:* class=08:06:50|allow 048d:1169 class=08:06:50")]
    [InlineData("allow id 1d6b:0002 serial \"0000:00:14.0\" name \"xHCI\" hash \"x=\" with-interface 09:00:00", "allow 1d6b:0002 class=09:00:00 serial=\"0000:00:14.0\"")]
    [InlineData("block", "deny")]
    [InlineData("reject if !allowed-matches(with-interface one-of { 03:00:01 })", "deny")]
    public void Each_language_is_recognised_and_read(string text, string rules) =>
        Assert.Equal(rules, string.Join('|', UsbLanguages.Parse(text).Rules));

    [Theory]
    [InlineData("")]
    [InlineData("08,-1,-1,-1,1")]
    [InlineData("4294967299,-1,-1,-1,1")]
    [InlineData("256,-1,-1,-1,1")]
    [InlineData("3,-1,-1,1,1,1")]
    [InlineData("<usbdev class='0x100' allow='yes'/>")]
    [InlineData("<usbdev class='8'/>")]
    [InlineData("<usbdev version='2.1.0' allow='yes'/>")]
    [InlineData("<usbdev version='0x2.00' allow='yes'/>")]
    [InlineData("<usbdev version='100.00' allow='yes'/>")]
    [InlineData("<usbdev allow='yes'>")]
    [InlineData("<!DOCTYPE a [<!ENTITY b 'c'>]><usbdev allow='yes'/>")]
    [InlineData("<domain/>")]
    [InlineData("allow id class=03")]
    [InlineData("allow with-interface 08")]
    [InlineData("allow id 048d:1169 id 048d:1170")]
    [InlineData("allow with-interface { 08:06:50")]
    [InlineData("block label { }")]
    [InlineData("block with-interface one-of { }")]
    [InlineData("allow 048d:1169 serial { }")]
    [InlineData("block colour \"blue\"")]
    public void Refuses_broken_rules(string text) => AssertRefused(ErrorIds.UsbRuleInvalid, text);

    [Theory]
    [InlineData("allow hash \"x=\"")]
    [InlineData("allow name \"stick\"")]
    [InlineData("allow id *:* hash \"x=\"")]
    [InlineData("allow 048d:1169 if random(0.5)")]
    [InlineData("allow with-interface none-of { 03:*:* }")]
    [InlineData("block with-interface none-of { 03:*:* }")]
    [InlineData("block id all-of { 048d:1169 048d:1170 }")]
    [InlineData("block id none-of { 048d:1169 }")]
    public void Refuses_conditions_that_a_whitelist_cannot_keep(string text) => AssertRefused(ErrorIds.UsbRuleUntranslatable, text);

    [Fact]
    public void Refuses_more_combinations_than_a_list_can_hold()
    {
        string ids = string.Join(' ', Enumerable.Range(0, 50_000).Select(id => $"1234:{id:x4}"));
        string serials = string.Join(' ', Enumerable.Range(0, 50_000));

        AssertRefused(ErrorIds.UsbRuleUntranslatable, $"allow id one-of {{ {ids} }} serial one-of {{ {serials} }}");
    }

    [Fact]
    public void Says_what_an_import_does_not_keep()
    {
        UsbImport import = UsbLanguages.Parse("allow id 048d:1169 hash \"x=\" with-interface { 08:06:50 03:00:00 }");

        Assert.Equal(2, import.Rules.Count);
        Assert.Contains(import.Notes, note => note.Contains("hash", StringComparison.Ordinal));
        Assert.Contains(import.Notes, note => note.Contains("only some of these interfaces", StringComparison.Ordinal));
    }

    private static void AssertRefused(string id, string text) =>
        Assert.Equal(id, Assert.ThrowsAny<VmCryptException>(() => UsbLanguages.Parse(text)).ErrorId);
}
