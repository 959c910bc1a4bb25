using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Libvirt;

namespace VmCrypt.Core.Tests.Libvirt;

public sealed class DefinitionTests
{
    private static readonly Guid s_uuid = Guid.Parse("7c8d2a54-2f0e-4b61-9d3e-6f1a0c5b9e42");

    private static readonly DiskEncryption s_luks = new() { Secrets = [SecretReference.To(s_uuid)] };

    [Fact]
    public void Writes_a_disk_with_a_chain_of_encrypted_images()
    {
        var disk = new DiskDefinition
        {
            Target = "vda",
            Bus = DiskBus.Virtio,
            Cache = DiskCache.None,
            IO = DiskIO.IOUring,
            Discard = DiskDiscard.Unmap,
            IOThread = 1,
            Serial = "WD-1 2",
            Image = new DiskImage
            {
                Format = "qcow2",
                Source = new FileSource("/vm/a <&>.qcow2") { Encryption = s_luks },
                Backing = new DiskImage { Format = "raw", Source = new BlockSource("/dev/vg/base") { Encryption = new DiskEncryption { Secrets = [SecretReference.To("/dev/vg/base")] } }, IsLast = true },
            },
        };

        Assert.Equal(
            """
            <disk type="file" device="disk">
              <driver name="qemu" type="qcow2" cache="none" io="io_uring" discard="unmap" iothread="1" />
              <source file="/vm/a &lt;&amp;&gt;.qcow2">
                <encryption format="luks">
                  <secret type="passphrase" uuid="7c8d2a54-2f0e-4b61-9d3e-6f1a0c5b9e42" />
                </encryption>
              </source>
              <backingStore type="block">
                <format type="raw" />
                <source dev="/dev/vg/base">
                  <encryption format="luks">
                    <secret type="passphrase" usage="/dev/vg/base" />
                  </encryption>
                </source>
                <backingStore />
              </backingStore>
              <target dev="vda" bus="virtio" />
              <serial>WD-1 2</serial>
            </disk>
            """.ReplaceLineEndings("\n"),
            disk.ToXml().ReplaceLineEndings("\n"));
    }

    public static TheoryData<string> Disks() => [.. SampleDisks.All.Keys];

    [Theory]
    [MemberData(nameof(Disks))]
    public void A_disk_is_read_as_it_was_written(string name)
    {
        string xml = SampleDisks.All[name].ToXml();
        Assert.Equal(xml, DiskDefinition.Parse(xml).ToXml());
    }

    [Fact]
    public void Reads_the_old_places_of_encryption_and_user()
    {
        DiskDefinition disk = DiskDefinition.Parse(
            """
            <disk type='network' device='disk'>
              <driver name='qemu' type='raw'/>
              <auth username='admin'><secret type='ceph' usage='client.admin'/></auth>
              <source protocol='rbd' name='vms/web'><host name='mon' port='6789'/></source>
              <target dev='vda'/>
              <encryption format='luks'><secret type='passphrase' uuid='7c8d2a542f0e4b619d3e6f1a0c5b9e42'/></encryption>
            </disk>
            """);

        RbdSource source = Assert.IsType<RbdSource>(disk.Image.Source);
        Assert.Equal(("admin", SecretReference.To("client.admin")), source.Auth);
        Assert.Equal([SecretReference.To(s_uuid)], source.Encryption!.Secrets);
    }

    [Theory]
    [InlineData("qcow")]
    [InlineData("default")]
    public void The_legacy_encryption_is_understood_and_never_written(string format)
    {
        VolumeDefinition volume = VolumeDefinition.Parse(
            $"<volume><name>d</name><capacity unit='GB'>1</capacity><target><format type='qcow2'/><encryption format='{format}'><secret type='passphrase' uuid='{s_uuid}'/></encryption></target></volume>");

        Assert.True(volume.Encryption!.IsLegacy);
        Assert.Equal(1_000_000_000, volume.Capacity);
        var refusal = Assert.Throws<RefusedException>(volume.ToXml);
        Assert.Equal(ErrorIds.LegacyEncryptionRefused, refusal.ErrorId);
    }

    [Fact]
    public void A_drive_without_a_medium_has_no_source()
    {
        DiskDefinition disk = DiskDefinition.Parse("<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>");
        Assert.Null(disk.Image.Source);
        Assert.True(disk.ReadOnly);
    }

    [Fact]
    public void A_source_that_is_not_looked_into_keeps_its_name()
    {
        DiskDefinition disk = DiskDefinition.Parse("<disk type='network'><source protocol='gluster' name='vol/img'><host name='h'/></source><target dev='sda'/></disk>");
        Assert.Equal("gluster:vol/img", disk.Image.Source!.ToString());
        Assert.Equal(ErrorIds.LibvirtDefinitionInvalid, Assert.Throws<InvalidInputException>(disk.ToXml).ErrorId);
    }

    public static TheoryData<string, DiskDefinition> RefusedDisks()
    {
        DiskDefinition good = SampleDisks.File;
        DiskDefinition With(DiskSource source) => good with { Image = good.Image with { Source = source } };
        return new TheoryData<string, DiskDefinition>
        {
            { "target", good with { Target = "da" } },
            { "target", good with { Target = "vda/../x" } },
            { "serial", good with { Serial = "a<b" } },
            { "serial", good with { Serial = "ab\n" } },
            { "I/O thread", good with { IOThread = 0 } },
            { "I/O thread", good with { IOThread = 1, Bus = DiskBus.Ide } },
            { "native I/O", good with { IO = DiskIO.Native } },
            { "path", With(new FileSource("relative")) },
            { "path", With(new BlockSource("sda")) },
            { "characters", With(new FileSource("/a\u0001")) },
            { "RBD name", With(new RbdSource("image")) },
            { "no secret", With(new FileSource("/a") { Encryption = new DiskEncryption() }) },
            { "two secrets", With(new FileSource("/a") { Encryption = s_luks with { Secrets = [.. s_luks.Secrets, .. s_luks.Secrets] } }) },
            { "LUKS2 in QEMU", With(new FileSource("/a") { Encryption = s_luks with { Format = EncryptionFormat.Luks2 } }) },
            { "librbd for a file", With(new FileSource("/a") { Encryption = s_luks with { Engine = EncryptionEngine.Librbd } }) },
        };
    }

    [Theory]
    [MemberData(nameof(RefusedDisks))]
    public void Refuses_what_libvirt_refuses(string what, DiskDefinition disk)
    {
        var refusal = Assert.Throws<InvalidInputException>(disk.ToXml);
        Assert.True(refusal.ErrorId == ErrorIds.LibvirtDefinitionInvalid, what);
    }

    [Theory]
    [InlineData("")]
    [InlineData("<disk>")]
    [InlineData("<volume/>")]
    [InlineData("<!DOCTYPE disk [<!ENTITY a 'b'>]><disk><target dev='vda'/></disk>")]
    [InlineData("<disk/>")]
    [InlineData("<disk><target/></disk>")]
    [InlineData("<disk><target dev='vda' bus='pci'/></disk>")]
    [InlineData("<disk><driver iothread='x'/><target dev='vda'/></disk>")]
    [InlineData("<disk><target dev='vda'/><source file='/a'><encryption/></source></disk>")]
    [InlineData("<disk><target dev='vda'/><source file='/a'><encryption format='rot13'/></source></disk>")]
    [InlineData("<disk><target dev='vda'/><source file='/a'><encryption format='luks'><secret/></encryption></source></disk>")]
    [InlineData("<disk><target dev='vda'/><source file='/a'><encryption format='luks'><secret uuid='x'/></encryption></source></disk>")]
    [InlineData("<disk><target dev='vda'/><source file='/a'><encryption format='luks'><cipher name='aes' size='x'/></encryption></source></disk>")]
    [InlineData("<disk type='network'><target dev='vda'/><source protocol='nbd'/></disk>")]
    [InlineData("<disk type='network'><target dev='vda'/><source protocol='rbd'/></disk>")]
    [InlineData("<disk type='network'><target dev='vda'/><source protocol='rbd' name='a/b'><host name='m' port='70000'/></source></disk>")]
    public void Refuses_what_is_no_disk(string xml)
    {
        var refusal = Assert.Throws<InvalidInputException>(() => DiskDefinition.Parse(xml));
        Assert.Equal(ErrorIds.LibvirtXmlInvalid, refusal.ErrorId);
    }

    [Fact]
    public void Refuses_what_is_nested_too_deep_or_too_long()
    {
        string deep = string.Concat(Enumerable.Repeat("<backingStore>", 300));
        string[] bombs = [$"<disk>{deep}", $"<disk><target dev='{new string('a', LibvirtXml.MaxCharacters)}'/></disk>"];
        Assert.All(bombs, bomb => Assert.Equal(ErrorIds.LibvirtXmlInvalid, Assert.Throws<InvalidInputException>(() => DiskDefinition.Parse(bomb)).ErrorId));
    }

    [Theory]
    [InlineData("<capacity>5</capacity>", 5)]
    [InlineData("<capacity unit='B'>5</capacity>", 5)]
    [InlineData("<capacity unit='K'>5</capacity>", 5 << 10)]
    [InlineData("<capacity unit='KiB'>5</capacity>", 5 << 10)]
    [InlineData("<capacity unit='MB'>5</capacity>", 5_000_000)]
    [InlineData("<capacity unit='GiB'> 5 </capacity>", 5L << 30)]
    [InlineData("", 0)]
    public void Reads_sizes_in_libvirt_s_units(string capacity, long bytes) =>
        Assert.Equal(bytes, VolumeDefinition.Parse($"<volume><name>v</name>{capacity}</volume>").Capacity);

    [Theory]
    [InlineData("<capacity unit='furlong'>5</capacity>")]
    [InlineData("<capacity unit='Kx'>5</capacity>")]
    [InlineData("<capacity unit=''>5</capacity>")]
    [InlineData("<capacity>-5</capacity>")]
    [InlineData("<capacity unit='EiB'>9</capacity>")]
    public void Refuses_what_is_no_size(string capacity)
    {
        var refusal = Assert.Throws<InvalidInputException>(() => VolumeDefinition.Parse($"<volume><name>v</name>{capacity}</volume>"));
        Assert.Equal(ErrorIds.LibvirtXmlInvalid, refusal.ErrorId);
    }

    [Theory]
    [InlineData("twofish-cbc-plain64", 32, "twofish 256 cbc sha256, plain64")]
    [InlineData("aes-xts-plain64", 64, "aes 256 xts sha256, plain64")]
    [InlineData("serpent-cbc-essiv:sha256", 32, "serpent 256 cbc sha256, essiv sha256")]
    [InlineData("aes-ecb", 16, "aes 128 ecb sha256,")]
    public void Says_a_cipher_in_libvirt_s_words(string spec, int keySize, string words)
    {
        var cipher = VolumeCipher.Of(CipherSpec.Parse(spec), keySize, HashKind.Sha256);
        Assert.Equal(words, $"{cipher.Name} {cipher.KeyBits} {cipher.Mode} {cipher.Hash}, {cipher.Iv} {cipher.IvHash}".TrimEnd());
    }

    [Fact]
    public void An_idle_hash_that_QEMU_wrote_behind_plain64_does_not_hinder() =>
        Assert.Equal(CipherSpec.Parse("twofish-cbc-plain64"), CipherSpec.Parse("twofish-cbc-plain64:sha256"));

    [Fact]
    public void Libvirt_s_capacity_is_in_whole_kibibytes() =>
        Assert.Equal(3_111_111_680, new VolumeDefinition { Name = "v", Capacity = 3_111_111_111 }.RoundedCapacity);

    [Fact]
    public void A_volume_is_read_as_it_was_written()
    {
        string xml = SampleDisks.Volume.ToXml();
        Assert.Equal(xml, VolumeDefinition.Parse(xml).ToXml());
    }

    public static TheoryData<VolumeDefinition> RefusedVolumes() =>
    [
        SampleDisks.Volume with { Name = "a/b" },
        SampleDisks.Volume with { Name = ".." },
        SampleDisks.Volume with { Name = string.Empty },
        SampleDisks.Volume with { Capacity = 0 },
        SampleDisks.Volume with { Allocation = -1 },
        SampleDisks.Volume with { Format = "vmdk" },
        SampleDisks.Volume with { Format = "raw" },
        SampleDisks.Volume with { Backing = ("base", "raw") },
    ];

    [Theory]
    [MemberData(nameof(RefusedVolumes))]
    public void Refuses_a_volume_that_libvirt_refuses(VolumeDefinition volume) =>
        Assert.Equal(ErrorIds.LibvirtDefinitionInvalid, Assert.Throws<InvalidInputException>(volume.ToXml).ErrorId);

    public static TheoryData<string> Pools() => [.. SampleDisks.Pools.Keys];

    [Theory]
    [MemberData(nameof(Pools))]
    public void A_pool_is_read_as_it_was_written(string name)
    {
        string xml = SampleDisks.Pools[name].ToXml();
        Assert.Equal(xml, PoolDefinition.Parse(xml).ToXml());
    }

    public static TheoryData<PoolDefinition> RefusedPools() =>
    [
        SampleDisks.Pools["dir"] with { TargetPath = null },
        SampleDisks.Pools["dir"] with { Device = "/dev/sda" },
        SampleDisks.Pools["dir"] with { Name = "a/b" },
        SampleDisks.Pools["dir"] with { TargetPath = "relative" },
        SampleDisks.Pools["fs"] with { Device = null },
        SampleDisks.Pools["rbd"] with { Hosts = [] },
        SampleDisks.Pools["rbd"] with { TargetPath = "/x" },
        SampleDisks.Pools["logical"] with { Auth = ("a", SecretReference.To("b")) },
    ];

    [Theory]
    [MemberData(nameof(RefusedPools))]
    public void Refuses_a_pool_that_libvirt_refuses(PoolDefinition pool) =>
        Assert.Equal(ErrorIds.LibvirtDefinitionInvalid, Assert.Throws<InvalidInputException>(pool.ToXml).ErrorId);

    [Theory]
    [InlineData("mon", "mon", null)]
    [InlineData("mon:6789", "mon", 6789)]
    [InlineData("[fe80::1]:3300", "fe80::1", 3300)]
    public void Reads_a_host(string text, string name, int? port) => Assert.Equal(new NetworkHost(name, port, null), NetworkHost.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("user@mon")]
    [InlineData("mon/x")]
    [InlineData("mon:0")]
    [InlineData("mon:99999")]
    public void Refuses_what_is_no_host(string text) =>
        Assert.Equal(ErrorIds.LibvirtDefinitionInvalid, Assert.Throws<InvalidInputException>(() => NetworkHost.Parse(text)).ErrorId);

    [Fact]
    public void A_secret_is_read_as_it_was_written()
    {
        string xml = new SecretDefinition(SecretUsage.Iscsi, "target", new SecretOptions { Uuid = s_uuid, IsPrivate = true, Description = "d" }).ToString();
        Assert.Equal(xml, SecretDefinition.Parse(xml)!.ToString());
        Assert.Null(SecretDefinition.Parse($"<secret><uuid>{s_uuid}</uuid></secret>"));
    }
}
