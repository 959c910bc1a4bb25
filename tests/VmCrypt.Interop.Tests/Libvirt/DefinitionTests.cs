using System.Text;
using System.Xml.Linq;
using VmCrypt.Core.Libvirt;
using VmCrypt.Core.Tests.Libvirt;

namespace VmCrypt.Interop.Tests.Libvirt;

/// <summary>Disks, volumes and pools against libvirt's own schema, and what libvirt makes of them.</summary>
public sealed class DefinitionTests(Libvirtd libvirt) : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly string _name = $"vmcrypt-{Guid.NewGuid():N}";

    public static TheoryData<string> Disks() => [.. SampleDisks.All.Keys];

    public static TheoryData<string> Pools() => [.. SampleDisks.Pools.Keys];

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [MemberData(nameof(Disks))]
    public void Libvirt_s_schema_accepts_the_disk(string name) => Validate("domain", Domain(SampleDisks.All[name].ToXml()));

    [Theory]
    [MemberData(nameof(Disks))]
    public void Libvirt_takes_the_disk_and_says_the_same(string name)
    {
        DiskDefinition disk = SampleDisks.All[name];
        libvirt.Virsh("define", _scratch.File("domain.xml", Encoding.UTF8.GetBytes(Domain(disk.ToXml()))));
        try
        {
            DiskDefinition dumped = DomainDefinition.Parse(libvirt.Virsh("dumpxml", "--inactive", _name)).Disk(disk.Target);
            DiskDefinition expected = disk with { Bus = dumped.Bus };
            Assert.Equal(WithoutEngine(expected.ToXml()), WithoutEngine(dumped.ToXml()));
        }
        finally
        {
            libvirt.Virsh("undefine", _name);
        }
    }

    [Fact]
    public void Libvirt_s_schema_accepts_the_volume() => Validate("storagevol", SampleDisks.Volume.ToXml());

    [Theory]
    [MemberData(nameof(Pools))]
    public void Libvirt_s_schema_accepts_the_pool(string name) => Validate("storagepool", SampleDisks.Pools[name].ToXml());

    [Theory]
    [MemberData(nameof(Pools))]
    public void Libvirt_takes_the_pool_and_says_the_same(string name)
    {
        string supported = XElement.Parse(libvirt.Virsh("pool-capabilities")).Elements("pool").Single(pool => pool.Attribute("type")!.Value == name).Attribute("supported")!.Value;
        Assert.SkipUnless(supported == "yes", $"this libvirt has no {name} pools");
        PoolDefinition pool = SampleDisks.Pools[name] with { Name = _name, Uuid = Guid.NewGuid() };
        libvirt.Virsh("pool-define", _scratch.File("pool.xml", Encoding.UTF8.GetBytes(pool.ToXml())));
        try
        {
            PoolDefinition dumped = PoolDefinition.Parse(libvirt.Virsh("pool-dumpxml", _name));
            Assert.Equal(pool.ToXml(), dumped.ToXml());
        }
        finally
        {
            libvirt.Virsh("pool-undefine", _name);
        }
    }

    // libvirt fills in who decrypts where the definition does not say.
    private static string WithoutEngine(string xml) => xml.Replace(" engine=\"qemu\"", string.Empty, StringComparison.Ordinal);

    private void Validate(string schema, string xml)
    {
        Tools.Require("xmllint");
        Tools.Run("virt-xml-validate", _scratch.File($"{schema}.xml", Encoding.UTF8.GetBytes(xml)), schema);
    }

    private string Domain(string disk) =>
        $"""
         <domain type='qemu'>
           <name>{_name}</name>
           <memory unit='MiB'>64</memory>
           <iothreads>2</iothreads>
           <os><type arch='x86_64' machine='pc'>hvm</type></os>
           <devices>{disk}</devices>
         </domain>
         """;
}
