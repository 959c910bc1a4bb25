using System.Buffers.Binary;
using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Images;
using VmCrypt.Core.Proof;
using VmCrypt.Core.Stack;
using VmCrypt.Interop.Tests.Luks;

namespace VmCrypt.Interop.Tests.Proof;

/// <summary>Proofs of disks that QEMU and cryptsetup made.</summary>
public sealed class ProofTests : IDisposable
{
    private const string Passphrase = "correct horse";
    private const int DiskBytes = 4 << 20;
    private const int Cluster = 65536;

    private readonly Scratch _scratch = new();
    private readonly string[] _secret;

    public ProofTests() => _secret = QemuImg.Secret(_scratch, Passphrase);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Disk => _scratch["disk.qcow2"];

    private string Node => $"driver=qcow2,encrypt.key-secret=key,file.filename={Disk}";

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Clusters_that_qemu_img_compresses_are_plain_in_an_encrypted_image()
    {
        CreateEncrypted();
        _scratch.File("text", Text(2 * Cluster));
        Tools.Run("qemu-img", ["convert", "-c", "-n", .. _secret, "-f", "raw", "--target-image-opts", _scratch["text"], Node]);
        QemuImg.IO(Node, _secret, $"write -P 7 {8 * Cluster} {Cluster}");

        ImageProof proof = await ProveAsync(Disk, key: true);

        Assert.Equal((ProofVerdict.Mixed, ProofConfidence.Observed), (proof.Verdict, proof.Confidence));
        ProofFinding[] compressed = [.. proof.Findings.Where(finding => finding.Kind == FindingKind.CompressedCluster)];
        Assert.Equal([0, Cluster], compressed.Select(finding => finding.GuestOffset));
        Assert.All(compressed, finding => Assert.Equal(Text(2 * Cluster)[(int)finding.GuestOffset!..][..Cluster], Unpack(finding)));
        Assert.Equal(compressed.Length, proof.Findings.Length);
        Assert.Equal(Cluster, proof.Bytes.Structured);
    }

    [Theory]
    [InlineData("cluster_size=65536")]
    [InlineData("compat=0.10,cluster_size=4096")]
    [InlineData("extended_l2=on")]
    [InlineData("preallocation=metadata")]
    [InlineData("preallocation=falloc,cluster_size=2097152")]
    [InlineData("encrypt.cipher-alg=aes-128,encrypt.cipher-mode=cbc,encrypt.ivgen-alg=essiv,encrypt.ivgen-hash-alg=sha256")]
    [InlineData("encrypt.cipher-alg=twofish-256,encrypt.cipher-mode=xts")]
    public async Task What_QEMU_encrypts_is_encrypted(string options)
    {
        CreateEncrypted(options);
        QemuImg.IO(Node, _secret, "write -P 7 0 1M", "write -P 9 2M 77k", "discard 128k 64k", "write -z 512k 64k");

        ImageProof proof = await ProveAsync(Disk, key: true, full: true);

        Assert.Empty(proof.Findings);
        Assert.Equal((ProofVerdict.Encrypted, ProofConfidence.Full), (proof.Verdict, proof.Confidence));
        Assert.True(proof.Bytes.Structured >= 900 << 10, $"{proof.Bytes}");
    }

    [Fact]
    public async Task Snapshots_are_looked_at_and_leave_nothing_that_looks_plain()
    {
        CreateEncrypted();
        QemuImg.IO(Node, _secret, "write -P 7 0 256k");
        Tools.Run("qemu-img", ["snapshot", .. _secret, "-c", "first", "--image-opts", Node]);
        QemuImg.IO(Node, _secret, "write -P 8 0 1M", "discard 512k 256k");

        ImageProof during = await ProveAsync(Disk, key: true, full: true);
        byte[] file = File.ReadAllBytes(Disk);
        Tools.Run("qemu-img", ["snapshot", .. _secret, "-d", "first", "--image-opts", Node]);
        ImageProof after = await ProveAsync(Disk);

        Assert.Empty(during.Findings);
        Assert.Equal(ProofConfidence.Full, during.Confidence);
        Assert.True(during.Bytes.Structured >= 1 << 20, $"{during.Bytes}");
        Assert.Empty(after.Findings);
        Assert.Equal(ProofVerdict.Encrypted, after.Verdict);

        // The guest's first cluster stands twice now: where the snapshot has it, and where it was written again.
        long old = FirstDifference(file, PatchSnapshot(file));
        ImageProof patched = await ProveAsync(_scratch["patched"]);
        ProofFinding finding = Assert.Single(patched.Findings);
        Assert.Equal((FindingKind.Text, HostUse.Snapshot, old, 0), (finding.Kind, finding.Use, finding.HostOffset, finding.GuestOffset));
    }

    [Fact]
    public async Task An_external_data_file_is_looked_at()
    {
        CreateEncrypted($"data_file={_scratch["data"]}");
        QemuImg.IO(Node, _secret, "write -P 7 0 1M");

        ImageProof good = await ProveAsync(Disk, key: true, full: true);
        using (FileStream data = File.OpenWrite(_scratch["data"]))
        {
            data.Position = Cluster + 4096;
            data.Write(Text(4096));
        }

        ImageProof bad = await ProveAsync(Disk);

        Assert.Equal((ProofVerdict.Encrypted, ProofConfidence.Full), (good.Verdict, good.Confidence));
        Assert.Equal([LayerRole.Active, LayerRole.DataFile], good.Layers.Select(layer => layer.Role));
        Assert.Equal(1 << 20, good.Bytes.Structured);
        ProofFinding finding = Assert.Single(bad.Findings);
        Assert.Equal((FindingKind.Text, Cluster + 4096, Cluster + 4096), (finding.Kind, finding.HostOffset, finding.GuestOffset));
        Assert.Equal(ProofVerdict.Mixed, bad.Verdict);
    }

    [Fact]
    public async Task An_overlay_over_a_plain_image_is_mixed()
    {
        _scratch.File("base.raw", Text(DiskBytes));
        CreateEncrypted($"backing_file={_scratch["base.raw"]},backing_fmt=raw");
        QemuImg.IO(Node, _secret, "write -P 7 0 1M");

        ImageProof proof = await ProveAsync(Disk, key: true);

        Assert.Equal(ProofVerdict.Mixed, proof.Verdict);
        ProofFinding finding = Assert.Single(proof.Findings);
        Assert.Equal((_scratch["base.raw"], FindingKind.Text, 0, DiskBytes), (finding.Path, finding.Kind, finding.HostOffset, finding.Length));
    }

    [Theory]
    [InlineData("qcow2")]
    [InlineData("qcow")]
    public async Task The_legacy_scheme_is_told_apart(string format)
    {
        string path = _scratch[$"old.{format}"];
        QemuImg.Create([.. _secret, "-f", format, "-o", "encrypt.format=aes,encrypt.key-secret=key", path, $"{DiskBytes}"]);
        _scratch.File("text", Text(DiskBytes));
        Tools.Run("qemu-img", ["convert", "-n", .. _secret, "-f", "raw", "--target-image-opts", _scratch["text"],
            $"driver={format},encrypt.key-secret=key,file.filename={path}"]);

        ImageProof unkeyed = await ProveAsync(path);
        ImageProof keyed = await ProveAsync(path, key: true, full: true);
        ImageProof wrong = await ProveAsync(path, key: true, full: true, passphrase: "wrong");

        Assert.Equal((ProofVerdict.Legacy, ProofConfidence.Declared), (unkeyed.Verdict, unkeyed.Confidence));
        Assert.Equal((ProofVerdict.Legacy, ProofConfidence.Full, DiskBytes), (keyed.Verdict, keyed.Confidence, keyed.Bytes.Structured));
        Assert.Equal((ProofConfidence.Declared, 0), (wrong.Confidence, wrong.Bytes.Structured));
    }

    [Theory]
    [InlineData("aes-xts-plain64", 512, "luks1")]
    [InlineData("aes-cbc-essiv:sha256", 256, "luks1")]
    [InlineData("aes-xts-plain64", 256, "luks2")]
    public async Task What_cryptsetup_makes_is_declared(string cipher, int bits, string type)
    {
        var cryptsetup = new Cryptsetup(_scratch);
        LuksDisk disk = type == "luks1" ? cryptsetup.Format(cipher, bits, "sha256") : cryptsetup.FormatLuks2("-c", cipher, "-s", bits.ToString());
        // Nothing on this host can write through the cipher but we.
        await using (DiskStack stack = await DiskStack.OpenAsync(DiskLocation.Parse(disk.Path), new DiskOpenOptions { Writable = true }, Token))
        {
            using var keys = new DiskKeys(SecretBuffer.CopyOf(Encoding.UTF8.GetBytes(LuksDisk.Passphrase)));
            await (await stack.UnlockAsync(keys, Token)).WriteAsync(0, Text(65536), Token);
        }

        ImageProof proof = await ProveAsync(disk.Path, key: true, full: true, passphrase: LuksDisk.Passphrase);

        Assert.Empty(proof.Findings);
        Assert.Equal((ProofVerdict.Encrypted, ProofConfidence.Full), (proof.Verdict, proof.Confidence));
        Assert.Equal(cipher, proof.Layers[0].Cipher);
        Assert.True(proof.Layers[0].KeyProven);
    }

    [Theory]
    [InlineData("mke2fs", "ext file system", "-q", "-F", "-t", "ext4")]
    [InlineData("mkfs.xfs", "XFS", "-q", "-f")]
    [InlineData("mkfs.btrfs", "btrfs", "-q", "-f")]
    [InlineData("mkswap", "swap")]
    public async Task File_systems_are_named(string tool, string name, params string[] options)
    {
        string path = _scratch["plain.raw"];
        using (FileStream file = File.Create(path))
        {
            file.SetLength(320 << 20);
        }

        Tools.Run(tool, [.. options, path]);

        ImageProof proof = await ProveAsync(path);

        Assert.Equal(ProofVerdict.Plain, proof.Verdict);
        Assert.Contains(proof.Findings, finding => finding.Kind == FindingKind.Signature && finding.Detail == name);
    }

    [Fact]
    public async Task A_header_that_was_written_over_a_file_system_leaves_it_readable()
    {
        string path = _scratch["old.raw"];
        using (FileStream file = File.Create(path))
        {
            file.SetLength(64 << 20);
        }

        Tools.Run("mke2fs", "-q", "-F", "-t", "ext4", path);
        string key = _scratch.File("key", Encoding.UTF8.GetBytes(Passphrase));
        Tools.Run("cryptsetup", "luksFormat", "-q", "--type", "luks1", "--pbkdf-force-iterations", "1000", path, key);

        ImageProof proof = await ProveAsync(path);

        Assert.NotEqual(ProofVerdict.Encrypted, proof.Verdict);
        Assert.NotEmpty(proof.Findings);
    }

    private void CreateEncrypted(string? options = null) => Tools.RunQemuImg(["create", "-q", .. _secret, "-f", "qcow2",
        "-o", $"encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10{(options is null ? string.Empty : "," + options)}", Disk, $"{DiskBytes}"]);

    private static async Task<ImageProof> ProveAsync(string path, bool key = false, bool full = false, string passphrase = Passphrase)
    {
        using DiskKeys? keys = key ? new DiskKeys(SecretBuffer.CopyOf(Encoding.UTF8.GetBytes(passphrase))) : null;
        return await EncryptionProof.RunAsync(
            DiskLocation.Parse(path), DiskOpenOptions.Default, keys, new ProofOptions { Full = full }, new Progress<JobProgress>(), Token);
    }

    private static byte[] Unpack(ProofFinding finding)
    {
        byte[] cluster = new byte[Cluster];
        byte[] packed = File.ReadAllBytes(finding.Path)[(int)finding.HostOffset..];
        Assert.True(RawDeflate.TryUnpack(packed, packed.Length, cluster));
        return cluster;
    }

    /// <summary>A copy of the file with text in the cluster that only the snapshot has for the start of the disk.</summary>
    private byte[] PatchSnapshot(byte[] file)
    {
        byte[] patched = [.. file];
        // The snapshot table's offset stands at 64 of the header, and the L1 table's at the start of its first entry.
        long l1 = BigEndian(file, BigEndian(file, 64));
        long l2 = BigEndian(file, l1) & 0x00FF_FFFF_FFFF_FE00;
        long data = BigEndian(file, l2) & 0x00FF_FFFF_FFFF_FE00;
        Text(4096).CopyTo(patched.AsSpan((int)data));
        _scratch.File("patched", patched);
        return patched;
    }

    private static long BigEndian(byte[] file, long offset) => (long)BinaryPrimitives.ReadUInt64BigEndian(file.AsSpan((int)offset));

    private static long FirstDifference(byte[] one, byte[] other) => one.AsSpan().CommonPrefixLength(other);

    private static byte[] Text(int length)
    {
        byte[] line = Encoding.ASCII.GetBytes("All work and no play makes Jack a dull boy. ");
        return [.. Enumerable.Range(0, length).Select(at => line[at % line.Length])];
    }
}
