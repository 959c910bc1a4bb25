using System.Buffers.Binary;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Proof;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Tests.Proof;

/// <summary>Verdicts on whole disks, without key and with it.</summary>
public sealed class EncryptionProofTests : IDisposable
{
    // Whole sectors: of one that is written in part, the rest stays zeros.
    private const int Written = 2000 * 512;

    private readonly ProofLab _lab = new();

    private static byte[] Text(int length) => UniformityTestTests.Text(length);

    public void Dispose() => _lab.Dispose();

    public static TheoryData<string> Kinds => ["raw-luks1", "raw-luks2", "raw-luks2-512", "qcow2", "qcow2-extended", "qcow2-small", "over", "vhdx", "vhd", "vhdx-fixed", "detached"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task An_encrypted_disk_is_proven(string kind)
    {
        DiskOpenOptions opening = await MakeAsync(kind);
        await _lab.WriteAsync("disk", 0, Text(Written), opening);
        await _lab.WriteAsync("disk", 4000 * 512, Text(512), opening);

        ImageProof unkeyed = await _lab.ProveAsync("disk", opening: opening);
        ImageProof sampled = await _lab.ProveAsync("disk", key: true, opening: opening);
        ImageProof full = await _lab.ProveAsync("disk", key: true, new ProofOptions { Full = true }, opening);

        Assert.Empty(unkeyed.Findings);
        Assert.Equal((ProofVerdict.Encrypted, ProofConfidence.Declared), (unkeyed.Verdict, unkeyed.Confidence));
        Assert.True(unkeyed.Bytes.Ciphertext > Written, $"{unkeyed.Bytes}");
        Assert.Equal(new FileInfo(_lab["disk"]).Length, unkeyed.Layers[0].Bytes.Total);
        Assert.Equal((ProofVerdict.Encrypted, ProofConfidence.Sampled), (sampled.Verdict, sampled.Confidence));
        Assert.Equal((ProofVerdict.Encrypted, ProofConfidence.Full), (full.Verdict, full.Confidence));
        Assert.True(full.Layers[0].KeyProven);
        Assert.Equal(0, full.Layers[0].OpenedSlot);
        Assert.InRange(full.Bytes.Structured, Written, full.Bytes.Ciphertext);
        Assert.Equal(unkeyed.Bytes, full.Bytes with { Decrypted = 0, Structured = 0 });
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Plain_text_in_an_encrypted_disk_is_found_at_its_place(string kind)
    {
        DiskOpenOptions opening = await MakeAsync(kind);
        await _lab.WriteAsync("disk", 0, Ciphertext.Of(1 << 20), opening);
        long host = await HostOffsetAsync(opening, 65536 + 4096);
        _lab.Patch("disk", host, Text(8192));

        ImageProof proof = await _lab.ProveAsync("disk", opening: opening);

        ProofFinding finding = Assert.Single(proof.Findings);
        Assert.Equal((FindingKind.Text, host, 8192, 65536 + 4096), (finding.Kind, finding.HostOffset, finding.Length, finding.GuestOffset));
        Assert.Equal(HostUse.Data, finding.Use);
        Assert.Equal((ProofVerdict.Mixed, ProofConfidence.Observed, 8192), (proof.Verdict, proof.Confidence, proof.Bytes.Plain));
        Assert.Contains(ProofMap.Plain, proof.Layers[0].Map);
    }

    [Fact]
    public async Task A_header_of_a_VHD_that_claims_the_whole_file_hides_nothing()
    {
        DiskOpenOptions opening = await MakeAsync("vhd");
        await _lab.WriteAsync("disk", 0, Ciphertext.Of(1 << 20), opening);
        _lab.Patch("disk", await HostOffsetAsync(opening, 65536), Text(8192));
        // A locator of a parent far behind the end; no dynamic disk has a parent, so nobody reads it.
        byte[] header = File.ReadAllBytes(_lab["disk"])[512..1536];
        "W2ru"u8.CopyTo(header.AsSpan(576));
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(576 + 8), 512);
        BinaryPrimitives.WriteUInt64BigEndian(header.AsSpan(576 + 16), 1UL << 40);
        header.AsSpan(36, 4).Clear();
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(36), ~header.Sum(value => value));
        _lab.Patch("disk", 512, header);

        ImageProof proof = await _lab.ProveAsync("disk", opening: opening);

        Assert.Equal((ProofVerdict.Mixed, 8192), (proof.Verdict, proof.Bytes.Plain));
    }

    [Theory]
    [InlineData("raw-luks1", 100)]
    [InlineData("raw-luks2", 512)]
    [InlineData("qcow2", 3000)]
    [InlineData("over", 70_000)]
    [InlineData("vhdx", 5000)]
    public async Task The_tail_behind_the_last_cluster_is_looked_at(string kind, int length)
    {
        DiskOpenOptions opening = await MakeAsync(kind);
        await _lab.WriteAsync("disk", 0, Text(4096), opening);
        long end = new FileInfo(_lab["disk"]).Length;
        _lab.Patch("disk", end, Text(length));

        ProofFinding finding = Assert.Single((await _lab.ProveAsync("disk", opening: opening)).Findings);

        Assert.Equal((FindingKind.Text, HostUse.Tail, end, length, null), (finding.Kind, finding.Use, finding.HostOffset, finding.Length, finding.GuestOffset));
    }

    [Fact]
    public async Task Clusters_that_were_freed_are_looked_at()
    {
        await MakeAsync("qcow2");
        await _lab.WriteAsync("disk", 0, Text(3 * 65536));
        long host = await HostOffsetAsync(DiskOpenOptions.Default, 65536);
        await using (DiskStack disk = await DiskStack.OpenAsync(_lab.Location("disk"), new DiskOpenOptions { Writable = true }, ProofLab.Token))
        {
            await disk.Qcow2!.TrimAsync(65536, 65536, ProofLab.Token);
        }

        _lab.Patch("disk", host + 512, Text(1024));
        ProofFinding finding = Assert.Single((await _lab.ProveAsync("disk")).Findings);

        Assert.Equal((FindingKind.Text, HostUse.Unused, host, null), (finding.Kind, finding.Use, finding.HostOffset, finding.GuestOffset));
    }

    [Theory]
    [InlineData("qcow2")]
    [InlineData("vhdx")]
    [InlineData("raw-luks1")]
    public async Task Room_in_the_header_that_no_slot_uses_is_looked_at(string kind)
    {
        DiskOpenOptions opening = await MakeAsync(kind);
        await _lab.WriteAsync("disk", 0, Text(4096), opening);
        // The third slot of LUKS1.
        long host = (kind == "raw-luks1" ? 0 : await HeaderOffsetAsync(opening)) + (1016 * 512);
        _lab.Patch("disk", host, Text(4096));

        ProofFinding finding = Assert.Single((await _lab.ProveAsync("disk", opening: opening)).Findings);

        Assert.Equal((FindingKind.Text, HostUse.Unused, host, 4096), (finding.Kind, finding.Use, finding.HostOffset, finding.Length));
    }

    [Fact]
    public async Task The_area_of_a_slot_with_a_key_of_its_own_is_looked_at()
    {
        await MakeAsync("raw-luks2");
        await _lab.WriteAsync("disk", 0, Text(4096));
        using (SecretBuffer own = SecretBuffer.Random(64))
        using (SecretBuffer secret = SecretBuffer.CopyOf("another"u8))
        {
            await KeySlots.AddUnboundAsync(_lab.Location("disk"), DiskOpenOptions.Default, own, new NewKeySlot(secret, ProofLab.Luks.Cost), ProofLab.Token);
        }

        ImageProof sound = await _lab.ProveAsync("disk");
        long host = sound.Luks!.Slots.Single(slot => !slot.IsBound).AreaOffset + 4096;
        _lab.Patch("disk", host, Text(4096));
        ImageProof proof = await _lab.ProveAsync("disk");

        // Blocks are counted from the end of the slot before it, so the text may lie in two.
        Assert.Empty(sound.Findings);
        ProofFinding finding = Assert.Single(proof.Findings);
        Assert.Equal((HostUse.Unused, ProofVerdict.Mixed), (finding.Use, proof.Verdict));
        Assert.InRange(host, finding.HostOffset, finding.HostOffset + finding.Length - 4096);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Key_material_that_was_overwritten_is_noted(bool zeros)
    {
        await MakeAsync("raw-luks1");
        await _lab.WriteAsync("disk", 0, Text(4096));
        _lab.Patch("disk", 8192, zeros ? new byte[4096] : Text(4096));

        ImageProof proof = await _lab.ProveAsync("disk");

        ProofFinding finding = Assert.Single(proof.Findings);
        Assert.Equal((FindingKind.KeyMaterial, HostUse.KeyMaterial, 8192, 4096), (finding.Kind, finding.Use, finding.HostOffset, finding.Length));
        Assert.Equal(ProofVerdict.Encrypted, proof.Verdict);
    }

    [Fact]
    public async Task ECB_shows_equal_blocks()
    {
        await _lab.CreateAsync("disk", new NewDisk
        {
            Size = ProofLab.Size,
            Format = ImageFormat.Raw,
            Encryption = ProofLab.Luks with { Cipher = new CipherSpec(CipherAlgorithm.Aes, CipherMode.Ecb, IvGenerator.None), KeySize = 32, ForQemu = false },
        });
        byte[] content = Ciphertext.Of(65536);
        content.AsSpan(8192 + 100, 200).Clear();
        await _lab.WriteAsync("disk", 0, content);
        long payload = (await ImageInspector.DescribeAsync(_lab.Location("disk"), DiskOpenOptions.Default, ProofLab.Token)).Luks!.PayloadOffset;

        ImageProof proof = await _lab.ProveAsync("disk");

        ProofFinding finding = Assert.Single(proof.Findings, finding => finding.Kind == FindingKind.RepeatedBlocks);
        Assert.Equal((payload + 8192, 4096, 8192), (finding.HostOffset, finding.Length, finding.GuestOffset));
        Assert.Equal((ProofVerdict.Weak, 4096), (proof.Verdict, proof.Bytes.Weak));
    }

    [Theory]
    [InlineData("raw-luks1")]
    [InlineData("qcow2")]
    [InlineData("over")]
    public async Task A_sector_that_stands_at_two_places_is_found(string kind)
    {
        DiskOpenOptions opening = await MakeAsync(kind);
        await _lab.WriteAsync("disk", 0, Ciphertext.Of(512 * 1024), opening);
        long first = await HostOffsetAsync(opening, 4096);
        long second = await HostOffsetAsync(opening, 300 * 1024);
        _lab.Patch("disk", second, File.ReadAllBytes(_lab["disk"]).AsSpan((int)first, 512));

        ImageProof proof = await _lab.ProveAsync("disk", opening: opening);

        // Who writes in several pieces at a time leaves the order of clusters open.
        ProofFinding finding = Assert.Single(proof.Findings);
        Assert.Equal((FindingKind.RepeatedSector, Math.Max(first, second), 512, first < second ? 300 * 1024 : 4096, $"as at {Math.Min(first, second)}"),
            (finding.Kind, finding.HostOffset, finding.Length, finding.GuestOffset, finding.Detail));
        Assert.Equal(ProofVerdict.Weak, proof.Verdict);
    }

    [Fact]
    public async Task Bytes_that_are_uneven_only_together_are_found()
    {
        await MakeAsync("raw-luks1");
        await _lab.WriteAsync("disk", 0, Ciphertext.Of(2 << 20));
        long payload = await HostOffsetAsync(DiskOpenOptions.Default, 0);
        _lab.Patch("disk", payload, Uneven(1 << 20));

        ImageProof proof = await _lab.ProveAsync("disk");

        ProofFinding finding = Assert.Single(proof.Findings);
        Assert.Equal((FindingKind.Biased, payload, 1 << 20), (finding.Kind, finding.HostOffset, finding.Length));
        Assert.Equal(ProofVerdict.Mixed, proof.Verdict);
    }

    [Theory]
    [InlineData(ImageFormat.Qcow2, true, ProofVerdict.Plain)]
    [InlineData(ImageFormat.Qcow2, false, ProofVerdict.Plain)]
    [InlineData(ImageFormat.Raw, false, ProofVerdict.Plain)]
    [InlineData(ImageFormat.Vhdx, true, ProofVerdict.Plain)]
    public async Task A_plain_disk_is_plain(ImageFormat format, bool written, ProofVerdict verdict)
    {
        await _lab.CreateAsync("disk", new NewDisk { Size = ProofLab.Size, Format = format });
        if (written)
        {
            await _lab.WriteAsync("disk", 8192, Text(4096), new DiskOpenOptions { Format = format });
        }

        ImageProof proof = await _lab.ProveAsync("disk", opening: new DiskOpenOptions { Format = format });

        Assert.Equal((verdict, written ? 4096 : 0), (proof.Verdict, proof.Bytes.Plain));
        Assert.Equal(written ? [8192] : [], proof.Findings.Select(finding => finding.GuestOffset));
    }

    [Fact]
    public async Task Noise_without_a_header_proves_nothing()
    {
        File.WriteAllBytes(_lab["disk"], Ciphertext.Of(ProofLab.Size));

        ImageProof proof = await _lab.ProveAsync("disk");

        Assert.Equal((ProofVerdict.Unproven, ProofConfidence.LooksRandom), (proof.Verdict, proof.Confidence));
    }

    [Fact]
    public async Task A_header_in_front_of_a_plain_disk_does_not_make_it_encrypted()
    {
        await MakeAsync("raw-luks1");
        _lab.Patch("disk", await HostOffsetAsync(DiskOpenOptions.Default, 0), Text(ProofLab.Size));

        Assert.Equal(ProofVerdict.Plain, (await _lab.ProveAsync("disk")).Verdict);
    }

    [Fact]
    public async Task A_disk_of_noise_under_its_key_says_only_that_the_key_opens()
    {
        await MakeAsync("raw-luks1");
        await _lab.WriteAsync("disk", 0, Ciphertext.Of(ProofLab.Size));

        ImageProof proof = await _lab.ProveAsync("disk", key: true);

        Assert.Equal((ProofVerdict.Encrypted, ProofConfidence.KeyOpens, 0), (proof.Verdict, proof.Confidence, proof.Bytes.Structured));
    }

    [Fact]
    public async Task Ciphertext_of_another_key_has_no_structure()
    {
        await MakeAsync("raw-luks1");
        await _lab.WriteAsync("disk", 0, Text(ProofLab.Size));
        byte[] other = File.ReadAllBytes(_lab["disk"]);
        File.Delete(_lab["disk"]);
        await MakeAsync("raw-luks1");
        long payload = await HostOffsetAsync(DiskOpenOptions.Default, 0);
        _lab.Patch("disk", payload, other.AsSpan((int)payload));

        ImageProof proof = await _lab.ProveAsync("disk", key: true, new ProofOptions { Full = true });

        Assert.Equal((ProofConfidence.KeyOpens, ProofLab.Size, 0), (proof.Confidence, proof.Bytes.Decrypted, proof.Bytes.Structured));
    }

    [Fact]
    public async Task A_wrong_passphrase_is_an_error()
    {
        await MakeAsync("qcow2");

        var error = await Assert.ThrowsAsync<WrongKeyException>(() => _lab.ProveAsync("disk", key: true, passphrase: "wrong"));

        Assert.Equal(ErrorIds.WrongPassphrase, error.ErrorId);
    }

    [Fact]
    public async Task A_damaged_table_leaves_the_disk_unproven()
    {
        await MakeAsync("qcow2");
        await _lab.WriteAsync("disk", 0, Text(3 * 65536));
        byte[] header = File.ReadAllBytes(_lab["disk"])[..48];
        long l1 = (long)BinaryPrimitives.ReadUInt64BigEndian(header.AsSpan(40));
        _lab.Patch("disk", l1, [0x80, 0, 0, 0, 0, 0, 0x12, 0x34]);

        ImageProof proof = await _lab.ProveAsync("disk");

        Assert.Equal(ProofVerdict.Unproven, proof.Verdict);
        Assert.Contains(proof.Findings, finding => finding.Kind == FindingKind.TableDefect);
    }

    [Fact]
    public async Task A_disk_in_use_is_read_and_marked()
    {
        await MakeAsync("qcow2");
        await using DiskStack writer = await DiskStack.OpenAsync(_lab.Location("disk"), new DiskOpenOptions { Writable = true }, ProofLab.Token);

        Assert.True((await _lab.ProveAsync("disk")).InUse);
    }

    [Fact]
    public async Task The_same_seed_makes_the_same_choice()
    {
        await MakeAsync("raw-luks1", 32 << 20);
        await _lab.WriteAsync("disk", 0, Ciphertext.Of(32 << 20));

        long[] decrypted = new long[3];
        for (int run = 0; run < decrypted.Length; run++)
        {
            decrypted[run] = (await _lab.ProveAsync("disk", key: true, new ProofOptions { Seed = run / 2 })).Bytes.Decrypted;
        }

        Assert.Equal(decrypted[0], decrypted[1]);
        Assert.NotEqual(decrypted[1], decrypted[2]);
        Assert.InRange(decrypted[0], 3000 * 4096, 5500 * 4096);
    }

    private async Task<DiskOpenOptions> MakeAsync(string kind, int size = ProofLab.Size)
    {
        LuksFormatOptions luks1 = ProofLab.Luks;
        LuksFormatOptions luks2 = luks1 with { Version = LuksVersion.Luks2, KeyslotsSize = 1 << 20, ForQemu = false };
        var raw = new NewDisk { Size = size, Format = ImageFormat.Raw, Encryption = luks1 };
        var qcow2 = new NewDisk { Size = size, Encryption = luks1 };
        var virtualDisk = new VirtualDiskOptions { BlockSize = 1 << 20 };
        NewDisk plan = kind switch
        {
            "raw-luks1" or "detached" => raw,
            "raw-luks2" => raw with { Encryption = luks2 },
            "raw-luks2-512" => raw with { Encryption = luks2 with { SectorSize = 512 } },
            "qcow2" => qcow2,
            "qcow2-extended" => qcow2 with { Qcow2 = new Qcow2CreateOptions { Size = size, ExtendedL2 = true } },
            "qcow2-small" => qcow2 with { Qcow2 = new Qcow2CreateOptions { Size = size, ClusterSize = 512 } },
            "over" => qcow2 with { Over = true, Encryption = luks2 },
            "vhdx" => qcow2 with { Format = ImageFormat.Vhdx, VirtualDisk = virtualDisk },
            "vhdx-fixed" => qcow2 with { Format = ImageFormat.Vhdx, VirtualDisk = virtualDisk, Preallocation = Preallocation.Metadata },
            _ => qcow2 with { Format = ImageFormat.Vhd, VirtualDisk = virtualDisk },
        };
        bool detached = kind == "detached";
        await _lab.CreateAsync("disk", plan, detached ? "header" : null);
        return new DiskOpenOptions { HeaderPath = detached ? _lab["header"] : null, Format = plan.Format is ImageFormat.Vhd ? ImageFormat.Vhd : null };
    }

    /// <summary>Where the guest's sector stands, found by what a write changes last in the file: other things, if any, stand before it.</summary>
    private async Task<long> HostOffsetAsync(DiskOpenOptions opening, long guest)
    {
        await using (DiskStack disk = await DiskStack.OpenAsync(_lab.Location("disk"), opening with { Writable = true }, ProofLab.Token))
        {
            using var keys = new DiskKeys(Buffers.SecretBuffer.CopyOf("correct horse"u8));
            IBlockDevice plain = await disk.UnlockAsync(keys, ProofLab.Token);
            byte[] before = File.ReadAllBytes(_lab["disk"]);
            byte[] old = new byte[disk.Luks!.Payload.SectorSize];
            await plain.ReadAsync(guest, old, ProofLab.Token);
            await plain.WriteAsync(guest, Ciphertext.Of(old.Length, 77), ProofLab.Token);
            await plain.FlushAsync(ProofLab.Token);
            byte[] between = File.ReadAllBytes(_lab["disk"]);
            int[] changed = [.. Enumerable.Range(0, before.Length / 512).Where(sector => !before.AsSpan(sector * 512, 512).SequenceEqual(between.AsSpan(sector * 512, 512)))];
            await plain.WriteAsync(guest, old, ProofLab.Token);
            await plain.FlushAsync(ProofLab.Token);
            return changed[^(old.Length / 512)] * 512L;
        }
    }

    private async Task<long> HeaderOffsetAsync(DiskOpenOptions opening)
    {
        await using DiskStack disk = await DiskStack.OpenAsync(_lab.Location("disk"), opening, ProofLab.Token);
        return disk.Qcow2?.Facts.EncryptionHeader?.Offset ?? File.ReadAllBytes(_lab["disk"]).AsSpan().IndexOf("LUKS"u8);
    }

    // Odd values are a fifth more frequent than even ones: too little to show in 4096 bytes.
    private static byte[] Uneven(int length)
    {
        byte[] noise = Ciphertext.Of(2 * length, 5);
        return [.. Enumerable.Range(0, length).Select(at => (byte)(noise[2 * at + 1] < 26 ? noise[2 * at] | 1 : noise[2 * at]))];
    }
}
