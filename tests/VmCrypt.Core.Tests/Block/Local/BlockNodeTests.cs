using System.Runtime.Versioning;
using VmCrypt.Core.Block.Local;

namespace VmCrypt.Core.Tests.Block.Local;

[SupportedOSPlatform("linux")]
public sealed class BlockNodeTests
{
    [Theory]
    [InlineData("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 sysfs rw,errors=continue", 98, 0, "/mnt2")]
    [InlineData(@"40 27 7:3 / /mnt/my\040disk rw - ext4 none rw", 7, 3, "/mnt/my disk")]
    [InlineData(@"41 27 259:12 / /a\134040b rw shared:1 propagate_from:2 - xfs none rw", 259, 12, @"/a\040b")]
    public void Reads_the_kernels_list_of_mounts(string line, uint major, uint minor, string place)
    {
        MountEntry mount = MountEntry.Parse(line)!;
        Assert.Equal(((major, minor), place), (mount.Device, mount.Place));
    }

    [Fact]
    public void Reads_the_rest_of_a_mount_too()
    {
        MountEntry mount = MountEntry.Parse("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/my\\040disk rw,data=journal")!;
        Assert.Equal((36UL, "ext3", "/dev/my disk"), (mount.Id, mount.Type, mount.Source));
        Assert.Equal(["rw", "noatime", "rw", "data=journal"], mount.Options);
    }

    [Theory]
    [InlineData("")]
    [InlineData("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 ext3 /dev/root rw")]
    [InlineData("36 35 98:0 /mnt1 /mnt2 rw - ext3")]
    [InlineData("36 35 98 /mnt1 /mnt2 rw - ext3 /dev/root rw")]
    [InlineData("x 35 98:0 /mnt1 /mnt2 rw - ext3 /dev/root rw")]
    public void Passes_over_what_is_no_mount(string line) => Assert.Null(MountEntry.Parse(line));

    [Fact]
    public void Tells_every_mount_of_a_device()
    {
        MountEntry[] mounts = [.. new[]
        {
            "36 35 240:77 / /first rw - ext4 none rw",
            "37 35 240:78 / /other rw - ext4 none rw",
            "38 35 240:77 /sub /second rw - ext4 none rw",
        }.Select(line => MountEntry.Parse(line)!)];
        Assert.Equal(["mounted at /first", "mounted at /second"], new BlockNode(240, 77).Users(mounts, []).Select(use => use.ToString()));
    }
}
