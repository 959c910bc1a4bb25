using System.Xml.Linq;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Libvirt;

namespace VmCrypt.Core.Tests.Libvirt;

public sealed class SecretDefinitionTests
{
    [Fact]
    public void Writes_a_volume_s_secret()
    {
        var options = new SecretOptions { Uuid = Guid.Parse("7C8D2A54-2F0E-4B61-9D3E-6F1A0C5B9E42"), Description = "a & b", IsPrivate = true };
        string xml = new SecretDefinition(SecretUsage.Volume, "/vm/a.qcow2", options).ToString().ReplaceLineEndings("\n");

        Assert.Equal(
            """
            <secret ephemeral="no" private="yes">
              <uuid>7c8d2a54-2f0e-4b61-9d3e-6f1a0c5b9e42</uuid>
              <description>a &amp; b</description>
              <usage type="volume">
                <volume>/vm/a.qcow2</volume>
              </usage>
            </secret>
            """.ReplaceLineEndings("\n"),
            xml);
    }

    [Theory]
    [InlineData("/vm/a\rb")]
    [InlineData("/vm/a\r\nb")]
    [InlineData("/vm/a\tb \u0085")]
    public void A_reader_finds_the_name_as_it_was(string name)
    {
        string xml = new SecretDefinition(SecretUsage.Volume, name, new SecretOptions { Description = name }).ToString();

        XElement read = XElement.Parse(xml);
        Assert.Equal(name, read.Element("usage")!.Element("volume")!.Value);
        Assert.Equal(name, read.Element("description")!.Value);
    }

    [Theory]
    [InlineData(SecretUsage.Volume, "relative/a.qcow2", null)]
    [InlineData(SecretUsage.Volume, "", null)]
    [InlineData(SecretUsage.Volume, "/", null)]
    [InlineData(SecretUsage.Volume, "nbd://host/export", null)]
    [InlineData(SecretUsage.Volume, "/vm/a\u0001", null)]
    [InlineData(SecretUsage.Volume, "/vm/a", "no character: \ufffe")]
    [InlineData(SecretUsage.Ceph, "", null)]
    [InlineData(SecretUsage.Ceph, "a/b", null)]
    [InlineData(SecretUsage.Tls, "two\nlines", null)]
    [InlineData((SecretUsage)99, "name", null)]
    public void Refuses_what_libvirt_s_schema_refuses(SecretUsage usage, string name, string? description)
    {
        var error = Assert.Throws<InvalidInputException>(() => new SecretDefinition(usage, name, new SecretOptions { Description = description }));
        Assert.Equal(ErrorIds.SecretDefinitionInvalid, error.ErrorId);
    }
}
