using System.Text.RegularExpressions;
using System.Xml.Linq;
using VmCrypt.Core.Usb.Languages;
using VmCrypt.Core.Usb.Rules;
using VmCrypt.Interop.Tests.Libvirt;

namespace VmCrypt.Interop.Tests.Usb;

/// <summary>What we export, read by those it is for.</summary>
public sealed partial class UsbExportConsumerTests(Libvirtd libvirt) : IDisposable
{
    private readonly Scratch _scratch = new();

    private readonly UsbWhitelist _list = new()
    {
        Rules =
        [
            UsbRuleText.Parse("048d:1169 version=2.56 label=\"the \\\"blue\\\" stick\""),
            UsbRuleText.Parse("deny 1234:* class=03"),
            UsbRuleText.Parse("1234:5678 serial=\"A 1\" port=1-2"),
            UsbRuleText.Parse("class=08"),
            UsbRuleText.Parse("deny class=e0:01:01"),
            UsbRuleText.Parse("0b97:* class=0b:00"),
        ],
    };

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void Libvirt_validates_the_redirfilter_and_makes_the_same_filter_of_it()
    {
        string domain = Domain(_list);

        Tools.Run("virt-xml-validate", domain, "domain");
        string command = libvirt.Virsh("domxml-to-native", "qemu-argv", domain);

        string theirs = FilterProperty().Match(command).Groups[1].Value;
        Assert.Equal(
            UsbLanguages.Parse(UsbredirFilter.Format(_list).Text).Rules.Select(rule => rule.ToString()),
            UsbLanguages.Parse(theirs).Rules.Select(rule => rule.ToString()));
    }

    [Fact]
    public void Libvirt_reads_versions_and_octal_numbers_as_we_do()
    {
        const string Rules = "<usbdev class='010' version='2.5' allow='yes'/><usbdev vendor='017' product='0x10' version='10.02' allow='no'/>";
        string domain = Domain(XElement.Parse($"<redirfilter>{Rules}</redirfilter>"));
        string command = libvirt.Virsh("domxml-to-native", "qemu-argv", domain);

        Assert.Equal(
            UsbLanguages.Parse(FilterProperty().Match(command).Groups[1].Value).Rules.Select(rule => rule.ToString()),
            UsbLanguages.Parse(Rules).Rules.Select(rule => rule.ToString()));
    }

    [Fact]
    public void USBGuard_parses_every_rule()
    {
        string rules = _scratch.File("rules.conf", System.Text.Encoding.UTF8.GetBytes(UsbLanguages.Format(_list, UsbExportFormat.UsbGuardRules).Text));

        string answer = Tools.Run("usbguard-rule-parser", "-f", rules);

        Assert.Contains("OUTPUT: allow id 1234:5678 serial \"A 1\" via-port \"1-2\"", answer, StringComparison.Ordinal);
        Assert.Equal(UsbLanguages.Format(_list, UsbExportFormat.UsbGuardRules).Text.Split('\n').Length - 1, answer.Split("OUTPUT:").Length - 1);
    }

    [Fact]
    public void Udev_reads_the_rules_without_complaint()
    {
        Tools.Require("udevadm");
        const string Folder = "/run/udev/rules.d";
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "udev reads rules from root's folders only");
        Directory.CreateDirectory(Folder);
        string rules = Path.Combine(Folder, "99-vmcrypt-test.rules");
        File.WriteAllText(rules, UsbLanguages.Format(_list, UsbExportFormat.UdevRules).Text);
        try
        {
            (_, string output, string error) = Tools.TryRun("udevadm", "test", "/sys/class/net/lo");

            Assert.Contains("99-vmcrypt-test.rules", output + error, StringComparison.Ordinal);
            Assert.DoesNotContain("99-vmcrypt-test.rules:", output + error, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(rules);
        }
    }

    private string Domain(UsbWhitelist list) => Domain(XElement.Parse(UsbLanguages.Format(list, UsbExportFormat.LibvirtXml).Text));

    private string Domain(XElement filter)
    {
        var domain = XElement.Parse("""
            <domain type='qemu'>
              <name>vmcrypt-filter</name><memory>65536</memory>
              <os><type arch='x86_64'>hvm</type></os>
              <devices>
                <controller type='usb' model='qemu-xhci'/>
                <redirdev bus='usb' type='tcp'><source mode='connect' host='localhost' service='4000'/><protocol type='raw'/></redirdev>
              </devices>
            </domain>
            """);
        domain.Element("devices")!.Add(filter);
        return _scratch.File("domain.xml", System.Text.Encoding.UTF8.GetBytes(domain.ToString()));
    }

    [GeneratedRegex("""usb-redir.*?"?filter"?[=:]"?([^",\s]+)""")]
    private static partial Regex FilterProperty();
}
