using VmCrypt.Core.Tests.Support;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Medium;

namespace VmCrypt.Core.Tests.Wipe;

public sealed class MediumTests
{
    [Theory]
    // Cut differently, or written for the first time: nothing has moved.
    [InlineData("0+8192@100000", "0+4096@100000 4096+4096@104096", "")]
    [InlineData("0+8192@100000u", "0+8192@100000", "")]
    // Moved, in part or whole; a new place and a lost one.
    [InlineData("0+8192@100000", "0+8192@200000", "0+8192")]
    [InlineData("0+8192@100000", "0+4096@100000 4096+4096@300000", "4096+4096")]
    [InlineData("0+4096@100000", "0+4096@100000 8192+4096@300000", "8192+4096")]
    [InlineData("0+4096@100000 8192+4096@300000", "0+4096@100000", "8192+4096")]
    // Places that nobody tells are never the same.
    [InlineData("0+4096@0n", "0+4096@0n", "0+4096")]
    // What lies beyond the end does not count.
    [InlineData("0+4096@100000 16384+4096@7000", "0+4096@100000", "")]
    public void Finds_what_moved(string before, string after, string moved) => Assert.Equal(
        moved,
        string.Join(' ', Map(before).MovedIn(Map(after), 16384).Select(range => $"{range.Offset}+{range.Length}")));

    [Fact]
    public void The_digest_does_not_see_cuts_but_places()
    {
        byte[] digest = Map("0+8192@100000").Digest(16384);
        Assert.Equal(digest, Map("0+4096@100000 4096+4096@104096u").Digest(16384));
        Assert.NotEqual(digest, Map("0+8192@200000").Digest(16384));
        Assert.NotEqual(digest, Map("0+4096@100000").Digest(16384));
    }

    [Theory]
    [InlineData("ext4", "rw,relatime", 0u, StorageNature.InPlace)]
    [InlineData("ext4", "rw,data=journal", 0u, StorageNature.DataJournal)]
    [InlineData("ext3", "rw", 0x4000u, StorageNature.DataJournal)]
    [InlineData("xfs", "rw", 0u, StorageNature.InPlace)]
    [InlineData("btrfs", "rw", 0u, StorageNature.CopyOnWrite)]
    [InlineData("btrfs", "rw", 0x800000u, StorageNature.InPlace)]
    [InlineData("zfs", "rw", 0u, StorageNature.CopyOnWrite)]
    [InlineData("f2fs", "rw", 0u, StorageNature.CopyOnWrite)]
    [InlineData("tmpfs", "rw", 0u, StorageNature.Memory)]
    [InlineData("overlay", "rw", 0u, StorageNature.Layered)]
    [InlineData("fuse.sshfs", "rw", 0u, StorageNature.Layered)]
    [InlineData("nfs4", "rw", 0u, StorageNature.Network)]
    [InlineData("ceph", "rw", 0u, StorageNature.Network)]
    [InlineData("newfs", "rw", 0u, StorageNature.Unknown)]
    public void Knows_the_nature_of_file_systems(string type, string options, uint flags, StorageNature expected) =>
        Assert.Equal(expected, FileSystemFacts.NatureOf(type, options.Split(','), flags));

    [Theory]
    [InlineData("data", null)]
    [InlineData("vg-pool-tpool", "LVM thin pool")]
    [InlineData("vg-home-real", "LVM snapshot")]
    public void Doubts_disks_that_keep_old_blocks(string slaveName, string? doubt)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "sysfs is made of symbolic links");
        using var scratch = new Scratch();
        Disk(scratch, "sda", ("queue/rotational", "0"), ("device/model", "Fast One"), ("device/serial", "S123"), ("queue/discard_max_bytes", "4096"));
        Disk(scratch, "dm-0", ("queue/rotational", "0"), ("dm/name", slaveName));
        Disk(scratch, "dm-1", ("queue/rotational", "0"), ("dm/name", "vg-home"), ("dm/uuid", "LVM-abc"));
        Below(scratch, "dm-0", "sda");
        Below(scratch, "dm-1", "dm-0");
        Number(scratch, "253:1", "dm-1");

        DiskFacts disk = DiskFacts.Of((253, 1), scratch.Folder)!;

        Assert.Equal("dm-1 dm-0 sda", string.Join(' ', disk.Layers.Select(layer => layer.Name)));
        Assert.Equal("LVM-abc", disk.Wwid);
        Assert.Equal(("Fast One", "S123", false, true), (disk.Layers.Last().Model, disk.Layers.Last().Serial, disk.Layers.Last().Rotational, disk.Layers.Last().CanDiscard));
        Assert.Equal(doubt is not null, disk.NotInPlace?.Contains(doubt!, StringComparison.Ordinal) ?? false);
    }

    [Fact]
    public void A_partition_speaks_for_its_disk()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "sysfs is made of symbolic links");
        using var scratch = new Scratch();
        Disk(scratch, "sda", ("queue/rotational", "1"), ("device/model", "Slow One"), ("sda2/partition", "2"), ("sda2/start", "2048"));
        Number(scratch, "8:2", "sda/sda2");

        DiskFacts part = DiskFacts.Of((8, 2), scratch.Folder)!;

        Assert.Equal(("sda2", "sda", "Slow One", true, 1048576L), (part.Name, part.Disk, part.Model, part.Rotational, part.Start));
        Assert.Null(DiskFacts.Of((8, 3), scratch.Folder));
    }

    [Fact]
    public void The_map_shows_holes_exceptions_and_what_was_not_reached()
    {
        const long cell = 1 << 20;
        const long length = DiskMap.Cells * cell;
        var map = new RangeMap([new ByteRange(0, 100 * cell), new ByteRange(500 * cell, 100 * cell)]);

        string drawn = DiskMap.Draw(length, map, [new ByteRange(10 * cell, 1)], 120 * cell, firstPass: true);
        string later = DiskMap.Draw(length, map, [], 0, firstPass: false);

        Assert.Equal(DiskMap.Cells, drawn.Length);
        Assert.Equal(new string('E', 10) + "X" + new string('E', 89) + new string('.', 400) + new string('E', 20) + new string('U', 80) + new string('.', 400), drawn);
        Assert.Equal(200, later.Count(letter => letter == DiskMap.Erased));
        Assert.Equal("EE", DiskMap.Draw(1024, new RangeMap([new ByteRange(0, 4096)]), [], 4096, firstPass: true));
    }

    private static ExtentMap Map(string text) => new(text.Split(' ').Select(extent =>
    {
        ExtentTraits traits = extent[^1] switch { 'u' => ExtentTraits.Unwritten, 'n' => ExtentTraits.Nowhere, _ => ExtentTraits.None };
        long[] numbers = [.. extent.TrimEnd('u', 'n').Split('+', '@').Select(long.Parse)];
        return new PhysicalExtent(numbers[0], numbers[2], numbers[1], traits);
    }));

    private static void Disk(Scratch sys, string name, params (string File, string Text)[] files)
    {
        foreach ((string file, string text) in files)
        {
            string path = Path.Combine(sys.Folder, "block", name, file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, text + "\n");
        }
    }

    private static void Below(Scratch sys, string upper, string lower) =>
        Directory.CreateDirectory(Path.Combine(sys.Folder, "block", upper, "slaves", lower));

    private static void Number(Scratch sys, string numbers, string target)
    {
        string folder = Path.Combine(sys.Folder, "dev", "block");
        Directory.CreateDirectory(folder);
        Directory.CreateSymbolicLink(Path.Combine(folder, numbers), Path.Combine(sys.Folder, "block", target));
    }
}
