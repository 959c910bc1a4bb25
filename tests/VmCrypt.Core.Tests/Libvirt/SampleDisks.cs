using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Libvirt;

namespace VmCrypt.Core.Tests.Libvirt;

/// <summary>Definitions of every kind that is written; Interop shows the same ones to libvirt's schema.</summary>
internal static class SampleDisks
{
    private static readonly Guid s_uuid = Guid.Parse("7c8d2a54-2f0e-4b61-9d3e-6f1a0c5b9e42");

    private static readonly DiskEncryption s_luks = new() { Secrets = [SecretReference.To(s_uuid)] };

    public static DiskDefinition File { get; } = Of("qcow2", new FileSource("/vm/a.qcow2"));

    public static VolumeDefinition Volume { get; } = new()
    {
        Name = "web 1.qcow2",
        Capacity = 3_111_111_111,
        Allocation = 0,
        Format = "qcow2",
        ClusterSize = 65536,
        Backing = ("/vm/base.qcow2", "qcow2"),
        Encryption = s_luks with { Cipher = new VolumeCipher("twofish", 256, "cbc", "sha256", "plain64", "sha256") },
    };

    public static IReadOnlyDictionary<string, DiskDefinition> All { get; } = new Dictionary<string, DiskDefinition>
    {
        ["file"] = File,
        ["encrypted file"] = Of("raw", new FileSource("/vm/a 'b'.img") { Encryption = s_luks }),
        ["by usage"] = Of("raw", new FileSource("/vm/a.img") { Encryption = new DiskEncryption { Engine = EncryptionEngine.Qemu, Secrets = [SecretReference.To("/vm/a.img")] } }),
        ["block device"] = Of("raw", new BlockSource("/dev/vg/disk") { Encryption = s_luks }),
        ["tuned"] = File with
        {
            Bus = DiskBus.Virtio,
            Cache = DiskCache.Directsync,
            IO = DiskIO.Native,
            Discard = DiskDiscard.Unmap,
            DetectZeroes = DiskDetectZeroes.Unmap,
            IOThread = 2,
            Serial = "A_1.b+c-d e",
            ReadOnly = true,
            Shareable = true,
        },
        ["NBD over TCP"] = Of("raw", new NbdSource(NbdUri.Parse("nbd://server:10810/export%20name"), Tls: true, TlsHostName: "other") { Encryption = s_luks }),
        ["NBD over a socket"] = Of("raw", new NbdSource(NbdUri.Parse("nbd+unix:///?socket=/run/vm.sock"))),
        ["RBD"] = Of("raw", new RbdSource("vms/web")
        {
            Hosts = [new NetworkHost("mon1", 6789, null), new NetworkHost("fe80::1", null, null)],
            ConfigFile = "/etc/ceph/ceph.conf",
            Snapshot = "snap",
            Auth = ("libvirt", SecretReference.To("client.libvirt")),
            Encryption = s_luks,
        }),
        ["RBD under librbd"] = Of("raw", new RbdSource("vms/web") { Encryption = s_luks with { Format = EncryptionFormat.Luks2, Engine = EncryptionEngine.Librbd } }),
        ["chain"] = File with
        {
            Image = File.Image with
            {
                Source = File.Image.Source! with { Encryption = s_luks },
                Backing = new DiskImage
                {
                    Format = "qcow2",
                    Source = new FileSource("/vm/b.qcow2") { Encryption = s_luks },
                    Backing = new DiskImage { Format = "raw", Source = new NbdSource(NbdUri.Parse("nbd://h/")), IsLast = true },
                },
            },
        },
        ["alone"] = File with { Image = File.Image with { IsLast = true } },
    };

    public static IReadOnlyDictionary<string, PoolDefinition> Pools { get; } = new Dictionary<string, PoolDefinition>
    {
        ["dir"] = new() { Type = PoolType.Dir, Name = "vms", Uuid = s_uuid, TargetPath = "/srv/vms" },
        ["fs"] = new() { Type = PoolType.Fs, Name = "vms", Device = "/dev/sdb1", TargetPath = "/srv/vms" },
        ["logical"] = new() { Type = PoolType.Logical, Name = "vms", SourceName = "vg0", Device = "/dev/sdb", TargetPath = "/dev/vg0" },
        ["iscsi"] = new()
        {
            Type = PoolType.Iscsi,
            Name = "luns",
            Hosts = [new NetworkHost("san", 3260, null)],
            Device = "iqn.2010-05.com.example:vms",
            TargetPath = "/dev/disk/by-path",
            Auth = ("chap", SecretReference.To(s_uuid)),
        },
        ["rbd"] = new()
        {
            Type = PoolType.Rbd,
            Name = "ceph",
            SourceName = "vms",
            Hosts = [new NetworkHost("mon1", 6789, null), new NetworkHost("mon2", null, null)],
            Auth = ("libvirt", SecretReference.To("client.libvirt secret")),
        },
    };

    private static DiskDefinition Of(string format, DiskSource source) => new()
    {
        Target = "vda",
        Image = new DiskImage { Format = format, Source = source },
    };
}
