using System.Xml.Linq;
using VmCrypt.Core.Libvirt;

namespace VmCrypt.Interop.Tests.Libvirt;

public sealed class SecretDefinitionTests(Libvirtd libvirt) : IDisposable
{
    private readonly Scratch _scratch = new();

    public static TheoryData<SecretUsage, string, string?, bool, bool> Definitions() => new()
    {
        { SecretUsage.Volume, "/var/lib/libvirt/images/web 1 <&>'\".qcow2", "LUKS of <web> & co", false, true },
        { SecretUsage.Volume, @"C:\vm\web.qcow2", null, false, false },
        { SecretUsage.Ceph, "client.libvirt secret", "ä€𝄞", true, false },
        { SecretUsage.Iscsi, "libvirtiscsi", string.Empty, true, true },
        { SecretUsage.Tls, "TLS key", null, false, false },
        { SecretUsage.Vtpm, "VTPM_example", null, false, true },
    };

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [MemberData(nameof(Definitions))]
    public void Libvirt_s_schema_accepts_it(SecretUsage usage, string name, string? description, bool ephemeral, bool @private)
    {
        Tools.Require("xmllint");
        Tools.Run("virt-xml-validate", Define(usage, name, description, ephemeral, @private, Guid.NewGuid()), "secret");
    }

    [Theory]
    [MemberData(nameof(Definitions))]
    public void Libvirt_defines_it_and_says_the_same(SecretUsage usage, string name, string? description, bool ephemeral, bool @private)
    {
        var uuid = Guid.NewGuid();
        // A usage may be defined once: the name is made unique, so that the host's own secrets are not in the way.
        string unique = $"{name} {uuid:N}";
        string file = Define(usage, unique, description, ephemeral, @private, uuid);
        libvirt.Virsh("secret-define", "--file", file);
        try
        {
            XElement dumped = XElement.Parse(libvirt.Virsh("secret-dumpxml", uuid.ToString()));
            Assert.Equal(ephemeral ? "yes" : "no", dumped.Attribute("ephemeral")!.Value);
            Assert.Equal(@private ? "yes" : "no", dumped.Attribute("private")!.Value);
            Assert.Equal(description ?? string.Empty, dumped.Element("description")?.Value ?? string.Empty);
            Assert.Equal(unique, dumped.Element("usage")!.Elements().Single().Value);
        }
        finally
        {
            libvirt.Virsh("secret-undefine", uuid.ToString());
        }
    }

    private string Define(SecretUsage usage, string name, string? description, bool ephemeral, bool @private, Guid uuid)
    {
        var options = new SecretOptions { Uuid = uuid, Description = description, IsEphemeral = ephemeral, IsPrivate = @private };
        return _scratch.File("secret.xml", System.Text.Encoding.UTF8.GetBytes(new SecretDefinition(usage, name, options).ToString()));
    }
}
