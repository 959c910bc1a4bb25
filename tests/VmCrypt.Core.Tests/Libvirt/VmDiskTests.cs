using VmCrypt.Core.Libvirt;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Tests.Libvirt;

public sealed class VmDiskTests
{
    [Theory]
    [InlineData(null, null, VmDiskEncryption.Unknown)]
    [InlineData(EncryptionFormat.Luks, null, VmDiskEncryption.Encrypted)]
    [InlineData(EncryptionFormat.Qcow, null, VmDiskEncryption.Legacy)]
    [InlineData(null, EncryptionPlacement.None, VmDiskEncryption.Plain)]
    [InlineData(null, EncryptionPlacement.Inside, VmDiskEncryption.ElementMissing)]
    [InlineData(null, EncryptionPlacement.LegacyAes, VmDiskEncryption.Legacy)]
    [InlineData(EncryptionFormat.Luks, EncryptionPlacement.Attached, VmDiskEncryption.Encrypted)]
    [InlineData(EncryptionFormat.Luks, EncryptionPlacement.None, VmDiskEncryption.ImagePlain)]
    public void Says_whether_definition_and_image_agree(EncryptionFormat? defined, EncryptionPlacement? found, VmDiskEncryption expected)
    {
        DiskDefinition definition = SampleDisks.File;
        DiskEncryption? encryption = defined is { } format ? new DiskEncryption { Format = format, Secrets = [SecretReference.To("s")] } : null;
        var disk = new VmDisk
        {
            VmName = "web",
            Target = "vda",
            Definition = definition with { Image = definition.Image with { Source = definition.Image.Source! with { Encryption = encryption } } },
            Image = found is { } placement ? ImageOf(placement) : null,
        };

        Assert.Equal(expected, disk.Encryption);
    }

    [Fact]
    public void Without_a_definition_the_image_alone_decides() =>
        Assert.Equal(VmDiskEncryption.Encrypted, new VmDisk { VmName = "w", Target = "SCSI 0:0", Image = ImageOf(EncryptionPlacement.Attached) }.Encryption);

    [Fact]
    public void Layers_are_those_of_the_definition_where_the_image_cannot_be_seen() => Assert.Equal(
        ["/vm/a.qcow2 (qcow2, Luks)", "/vm/b.qcow2 (qcow2, Luks)", "nbd://h:10809/ (raw)"],
        new VmDisk { VmName = "w", Target = "vda", Definition = SampleDisks.All["chain"] }.Layers);

    [Fact]
    public void A_disk_switched_to_another_image_keeps_its_place_and_what_is_unknown_here()
    {
        DomainDefinition domain = DomainDefinition.Parse(
            """
            <domain><name>w</name><devices>
              <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none' future='x'/><source file='/vm/old.qcow2'/><backingStore/>
                <target dev='vda' bus='virtio'/><iotune><total_bytes_sec>1</total_bytes_sec></iotune><boot order='1'/><address type='pci' slot='0x04'/></disk>
            </devices></domain>
            """);
        var image = new DiskImage { Format = "raw", Source = new BlockSource("/dev/vg/new") { Encryption = new DiskEncryption { Secrets = [SecretReference.To("/dev/vg/new")] } } };

        string xml = domain.SwitchedDiskXml("vda", image);

        DiskDefinition disk = DiskDefinition.Parse(xml);
        Assert.Equal(image.Source, disk.Image.Source! with { Encryption = image.Source.Encryption });
        Assert.Equal("raw", disk.Image.Format);
        Assert.Equal(DiskCache.None, disk.Cache);
        Assert.All(["future=\"x\"", "total_bytes_sec", "order=\"1\"", "slot=\"0x04\""], kept => Assert.Contains(kept, xml, StringComparison.Ordinal));
        Assert.DoesNotContain("old.qcow2", xml, StringComparison.Ordinal);
    }

    private static ImageDescription ImageOf(EncryptionPlacement placement) => new()
    {
        Path = "/vm/a.qcow2",
        Format = ImageFormat.Qcow2,
        VirtualSize = 1,
        AllocatedSize = 1,
        Encryption = placement,
    };
}
