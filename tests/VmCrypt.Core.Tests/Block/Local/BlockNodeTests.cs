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
        (BlockNode? device, string mounted) = BlockNode.ParseMount(line);
        Assert.Equal((new BlockNode(major, minor), place), (device, mounted));
    }

    [Fact]
    public void Tells_every_mount_of_a_device()
    {
        string[] mounts =
        [
            "36 35 240:77 / /first rw - ext4 none rw",
            "37 35 240:78 / /other rw - ext4 none rw",
            "38 35 240:77 /sub /second rw - ext4 none rw",
        ];
        Assert.Equal(["mounted at /first", "mounted at /second"], new BlockNode(240, 77).Users(mounts, []));
    }
}
