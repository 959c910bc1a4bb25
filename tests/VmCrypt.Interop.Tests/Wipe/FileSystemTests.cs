using VmCrypt.Core.Audit;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Interop.Tests.Wipe;

/// <summary>What a wipe leaves on the device below a file system, looked at on the device itself.</summary>
public sealed class FileSystemTests : IDisposable
{
    private const int MiB = 1 << 20;

    private readonly WipeLab _lab = new();

    public void Dispose() => _lab.Dispose();

    // The experiment of the project's origin: after a plain delete the blocks are as they were, after a wipe they are overwritten.
    [Fact]
    public async Task A_plain_delete_leaves_the_blocks_and_a_wipe_does_not()
    {
        Tools.Require("debugfs");
        LabDisk disk = _lab.MakeFileSystem("ext4");
        byte[] secret = WipeLab.Noise(5 * MiB);
        string deleted = WipeLab.WriteThrough(disk["deleted.img"], secret);
        string wiped = WipeLab.WriteThrough(disk["wiped.img"], secret);
        long[] blocksDeleted = BlocksOf(disk, "deleted.img");
        long[] blocksWiped = BlocksOf(disk, "wiped.img");
        Assert.Equal(secret, ReadBlocks(disk, blocksDeleted));
        Assert.Equal(secret, ReadBlocks(disk, blocksWiped));

        File.Delete(deleted);
        Tools.Run("sync", "-f", disk.Folder);
        Assert.Equal(secret, ReadBlocks(disk, blocksDeleted));
        WipeResult result = await _lab.WipeAsync(wiped, "One");

        Assert.All(ReadBlocks(disk, blocksWiped), value => Assert.Equal(0xFF, value));
        Assert.Equal(WipeStatus.Erased, result.Status);
        Assert.Equal(blocksWiped, BlocksOf(disk, "wiped.img"));
        Assert.Equal(("ext4", StorageNature.InPlace), (result.Target.FileSystem!.Type, result.Target.FileSystem.Nature));
        Assert.Equal(disk.Image, result.Target.Disk!.BackingFile);
        Assert.Equal(new string('E', DiskMap.Cells), result.Map);
    }

    [Fact]
    public async Task A_file_that_ends_within_a_block_keeps_its_length_and_loses_its_slack()
    {
        LabDisk disk = _lab.MakeFileSystem("ext4");
        const int length = 3_111_111;
        string path = WipeLab.WriteThrough(disk["odd.img"], WipeLab.Noise(length));
        (long offset, long runLength) = Assert.Single(disk.RunsOf(path));
        int slack = (int)(runLength - length);
        Assert.InRange(slack, 1, 4095);
        // Somebody's bytes behind the end of the file, as an older file of another length would have left them.
        PlantOnDevice(disk, offset + length, WipeLab.Noise(slack, seed: 9));

        WipeResult result = await _lab.WipeAsync(path, "Random");

        Assert.Equal(WipeStatus.Erased, result.Status);
        Assert.Equal(length, new FileInfo(path).Length);
        byte[] left = disk.Read([(offset + length, slack)]);
        Assert.True(left.AsSpan().CommonPrefixLength(WipeLab.Noise(slack, seed: 9)) < 16);
        Assert.Equal(runLength, result.Passes[0].VerifiedBytes);
    }

    [Fact]
    public async Task Holes_stay_holes_and_reserved_blocks_are_overwritten()
    {
        LabDisk disk = _lab.MakeFileSystem("ext4");
        string path = disk["sparse.img"];
        using (FileStream file = File.Create(path))
        {
            file.SetLength(64 * MiB);
            file.Write(WipeLab.Noise(MiB));
            file.Seek(40 * MiB, SeekOrigin.Begin);
            file.Write(WipeLab.Noise(MiB));
            file.Flush(flushToDisk: true);
        }

        Tools.Run("fallocate", "--offset", $"{20 * MiB}", "--length", $"{MiB}", path);
        Tools.Run("sync", "-f", disk.Folder);
        IReadOnlyList<(long, long)> before = disk.RunsOf(path);
        Assert.Equal(3 * MiB, before.Sum(run => run.Item2));

        WipeResult result = await _lab.WipeAsync(path, "One");

        Assert.Equal(WipeStatus.Erased, result.Status);
        Assert.Equal(before, disk.RunsOf(path));
        Assert.All(disk.Read(before), value => Assert.Equal(0xFF, value));
        Assert.Equal(3 * MiB, result.Target.AllocatedBytes);
        Assert.Contains('.', result.Map);
    }

    [Fact]
    public async Task A_qcow2_image_is_wiped_as_host_bytes_freed_clusters_and_metadata_included()
    {
        LabDisk disk = _lab.MakeFileSystem("ext4");
        string path = disk["vm.qcow2"];
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", path, "64M");
        Tools.Run("qemu-io", "-f", "qcow2", "-c", "write -P 0x5a 0 8M", "-c", "write -P 0x5a 32M 4M", path);
        Tools.Run("qemu-img", "snapshot", "-c", "one", path);
        Tools.Run("qemu-io", "-f", "qcow2", "-c", "write -P 0xa5 0 4M", path);
        Tools.Run("qemu-img", "snapshot", "-d", "one", path);
        Tools.Run("sync", "-f", disk.Folder);
        IReadOnlyList<(long, long)> runs = disk.RunsOf(path);
        Assert.Contains(disk.Read(runs), value => value == 0x5A);

        WipeResult result = await _lab.WipeAsync(path, "Zero");

        Assert.Equal(WipeStatus.Erased, result.Status);
        Assert.All(disk.Read(runs), value => Assert.Equal(0, value));
        Assert.Equal(string.Empty, Tools.TryRun("cmp", "--bytes", $"{new FileInfo(path).Length}", path, "/dev/zero").Output);
    }

    [Fact]
    public async Task Reflinked_files_are_told_apart_from_erased_ones()
    {
        LabDisk disk = _lab.MakeFileSystem("xfs");
        byte[] secret = WipeLab.Noise(4 * MiB);
        string path = WipeLab.WriteThrough(disk["a.img"], secret);
        Tools.Run("cp", "--reflink=always", path, disk["b.img"]);
        Tools.Run("sync", "-f", disk.Folder);
        IReadOnlyList<(long, long)> before = disk.RunsOf(path);

        WipeResult shared = await _lab.WipeAsync(path, "Zero");
        WipeResult alone = await _lab.WipeAsync(path, "One");

        Assert.Equal(WipeStatus.ErasedWithExceptions, shared.Status);
        Assert.Equal([FindingKind.SharedExtents, FindingKind.ExtentsMoved], shared.Exceptions.Select(finding => finding.Kind).Order());
        Assert.All(shared.Exceptions, finding => Assert.Equal(4 * MiB, finding.Bytes));
        Assert.Equal(new string('X', DiskMap.Cells), shared.Map);
        Assert.Equal(secret, disk.Read(before));
        Assert.Equal(secret, File.ReadAllBytes(disk["b.img"]));

        // Once the copy has its own blocks, nothing is shared any more.
        Assert.Equal(WipeStatus.Erased, alone.Status);
        Assert.Equal("xfs", alone.Target.FileSystem!.Type);
    }

    [Fact]
    public async Task Copy_on_write_is_seen_coming_and_seen_to_have_happened()
    {
        LabDisk disk = _lab.MakeFileSystem("btrfs");
        byte[] secret = WipeLab.Noise(4 * MiB);
        string path = WipeLab.WriteThrough(disk["cow.img"], secret);
        Tools.Run("sync", "-f", disk.Folder);

        WipePlan plan = await _lab.Service.PlanAsync(
            new WipeRequest { Path = path, Standard = WipeStandards.BuiltIn["Zero"] }, TestContext.Current.CancellationToken);
        WipeResult result = await _lab.WipeAsync(path, "Zero");

        Assert.Contains(plan.Findings, finding => finding.Kind == FindingKind.CopyOnWrite);
        Assert.Equal(WipeStatus.ErasedWithExceptions, result.Status);
        Assert.Equal([FindingKind.CopyOnWrite, FindingKind.ExtentsMoved], result.Exceptions.Select(finding => finding.Kind).Order());
        Assert.Equal(new byte[4 * MiB], File.ReadAllBytes(path));
        Assert.True(File.ReadAllBytes(disk.Image).AsSpan().IndexOf(secret.AsSpan(MiB, 4096)) >= 0, "the old blocks were expected to be there still");
    }

    [Fact]
    public async Task Without_copy_on_write_btrfs_overwrites_in_place()
    {
        LabDisk disk = _lab.MakeFileSystem("btrfs");
        string path = disk["nocow.img"];
        File.WriteAllBytes(path, []);
        Tools.Run("chattr", "+C", path);
        byte[] secret = WipeLab.Noise(4 * MiB);
        using (var file = new FileStream(path, FileMode.Open, FileAccess.Write))
        {
            file.Write(secret);
            file.Flush(flushToDisk: true);
        }

        Tools.Run("sync", "-f", disk.Folder);

        WipeResult result = await _lab.WipeAsync(path, "Zero");

        Assert.Equal(WipeStatus.Erased, result.Status);
        Assert.Equal(-1, File.ReadAllBytes(disk.Image).AsSpan().IndexOf(secret.AsSpan(MiB, 4096)));
    }

    [Fact]
    public async Task A_small_file_within_the_metadata_is_no_erased_one()
    {
        LabDisk disk = _lab.MakeFileSystem("btrfs");
        string path = WipeLab.WriteThrough(disk["tiny.img"], WipeLab.Noise(700));
        Tools.Run("sync", "-f", disk.Folder);

        WipeResult result = await _lab.WipeAsync(path, "Zero");

        Assert.Equal(WipeStatus.ErasedWithExceptions, result.Status);
        Assert.Contains(FindingKind.InlineData, result.Exceptions.Select(finding => finding.Kind));
        Assert.Equal(new byte[700], File.ReadAllBytes(path));
    }

    [Fact]
    public async Task Journalled_data_leaves_copies_in_the_journal_and_is_reported()
    {
        LabDisk disk = _lab.MakeFileSystem("ext4", "-o", "data=journal");
        string path = WipeLab.WriteThrough(disk["j.img"], WipeLab.Noise(MiB));

        WipeResult result = await _lab.WipeAsync(path, "Zero");

        Assert.Equal(FindingKind.DataJournal, Assert.Single(result.Exceptions).Kind);
    }

    [Fact]
    public async Task Memory_is_no_place_of_which_anybody_could_tell()
    {
        string folder = _lab["tmpfs"];
        _lab.OnCleanup(Block.Mounted.At(folder, "-t", "tmpfs", "none"));
        string path = WipeLab.WriteThrough(Path.Combine(folder, "m.img"), WipeLab.Noise(3 * MiB));

        WipeResult result = await _lab.WipeAsync(path, "DoD7");

        Assert.Equal([FindingKind.MemoryStorage, FindingKind.ExtentsUnknown], result.Exceptions.Select(finding => finding.Kind).Order());
        Assert.All(File.ReadAllBytes(path), value => Assert.Equal(0xFF, value));
    }

    [Fact]
    public async Task Verification_sees_the_medium_and_not_the_cache()
    {
        LabDisk disk = _lab.MakeFileSystem("ext4");
        string path = WipeLab.WriteThrough(disk["v.img"], WipeLab.Noise(32 * MiB));
        (long offset, long length) = disk.RunsOf(path)[^1];
        bool spoilt = false;
        var spoil = new Immediate(progress =>
        {
            if (!spoilt && progress.Detail!.Contains("verifying", StringComparison.Ordinal))
            {
                // Below the file system, which cannot know of it.
                spoilt = true;
                PlantOnDevice(disk, offset + length - 4096, WipeLab.Noise(512, seed: 5));
            }
        });

        WipeResult result = await _lab.WipeAsync(path, "Zero", request => request with { Verify = VerifyMode.LastPass, BytesPerSecond = 64 * MiB }, spoil);

        Assert.True(spoilt);
        Assert.Equal(WipeStatus.Failed, result.Status);
        Assert.Equal((FindingKind.Mismatched, 512L), (result.Findings[0].Kind, result.Findings[0].Bytes));
        // It ran to its end: the next wipe starts anew instead of repeating the verdict.
        Assert.Null(result.JournalPath);
        Assert.Equal(WipeStatus.Erased, (await _lab.WipeAsync(path, "Zero")).Status);
    }

    [Theory]
    [InlineData(AfterWipe.Keep)]
    [InlineData(AfterWipe.Delete)]
    [InlineData(AfterWipe.Trim)]
    public async Task What_comes_after(AfterWipe after)
    {
        LabDisk disk = _lab.MakeFileSystem("ext4");
        string path = WipeLab.WriteThrough(disk["name-to-forget.img"], WipeLab.Noise(MiB));

        WipeResult result = await _lab.WipeAsync(path, "Zero", request => request with { After = after });

        Assert.Equal((WipeStatus.Erased, after), (result.Status, result.After));
        Assert.Equal(after != AfterWipe.Delete, File.Exists(path));
        if (after == AfterWipe.Trim)
        {
            Assert.Equal((0L, MiB), (Storage.AllocatedBytes(path), new FileInfo(path).Length));
        }
        else if (after == AfterWipe.Delete)
        {
            Assert.Equal(["lost+found"], Directory.EnumerateFileSystemEntries(disk.Folder).Select(Path.GetFileName));
        }
    }

    [Fact]
    public async Task Everything_is_in_the_audit_log()
    {
        LabDisk disk = _lab.MakeFileSystem("ext4");
        string path = WipeLab.WriteThrough(disk["a.img"], WipeLab.Noise(MiB));

        WipeResult result = await _lab.WipeAsync(path, "DoD", request => request with { VM = "web" });

        AuditReport report = await AuditLog.Of(_lab.Configuration).VerifyAsync(TestContext.Current.CancellationToken);
        Assert.True(report.IsUnbroken);
        Assert.Equal(result.Audit, report.Head);
        string log = File.ReadAllText(report.Path);
        Assert.Contains("\"action\":\"Wipe.Begin\"", log, StringComparison.Ordinal);
        Assert.Contains("\"outcome\":\"Erased\",\"vm\":\"web\"", log, StringComparison.Ordinal);
    }

    private static long[] BlocksOf(LabDisk disk, string name) =>
        [.. Tools.Run("debugfs", "-R", $"blocks /{name}", disk.Device).Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries).Select(long.Parse)];

    private static byte[] ReadBlocks(LabDisk disk, long[] blocks) => disk.Read([.. blocks.Select(block => (block * 4096, 4096L))]);

    private static void PlantOnDevice(LabDisk disk, long offset, byte[] bytes)
    {
        using var image = new FileStream(disk.Image, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        image.Seek(offset, SeekOrigin.Begin);
        image.Write(bytes);
        image.Flush(flushToDisk: true);
    }
}
