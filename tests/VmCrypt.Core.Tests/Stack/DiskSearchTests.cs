using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Stack;

public sealed class DiskSearchTests : IDisposable
{
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("disk.qcow2", 0, true)]
    [InlineData("disk.VHDX", 100, true)]
    [InlineData("disk.img", 1 << 20, true)]
    [InlineData("disk.img", (1 << 20) - 512, false)]
    [InlineData("disk.img", (1 << 20) + 1, false)]
    [InlineData("0d9a7a4e-9f0f-4a9c-a9f2-000000000001", 1 << 20, true)]
    [InlineData("0d9a7a4e-9f0f-4a9c-a9f2-000000000001.lease", 1 << 20, false)]
    [InlineData("notes.txt", 1 << 20, false)]
    public void Names_and_sizes_tell_disks(string name, int size, bool isDisk)
    {
        _scratch.File(name, new byte[size]);

        Assert.Equal(isDisk ? [_scratch[name]] : [], DiskSearch.Below(_scratch.Folder));
    }

    [Fact]
    public void Whatever_starts_as_a_disk_is_one()
    {
        _scratch.File("backup.header", [.. "LUKS"u8, 0xBA, 0xBE, 0, 2, .. new byte[100]]);
        _scratch.File("disk.old", [.. "QFI"u8, 0xFB, 0, 0, 0, 3]);

        Assert.Equal([_scratch["backup.header"], _scratch["disk.old"]], DiskSearch.Below(_scratch.Folder));
    }

    [Fact]
    public void Folders_are_gone_through_in_order_and_links_are_not_followed()
    {
        Directory.CreateDirectory(_scratch["b/c"]);
        _scratch.File("b/c/one.qcow2", []);
        _scratch.File("a.qcow2", []);
        Directory.CreateSymbolicLink(_scratch["loop"], _scratch.Folder);
        File.CreateSymbolicLink(_scratch["z.qcow2"], _scratch["a.qcow2"]);

        Assert.Equal([_scratch["a.qcow2"], _scratch["b/c/one.qcow2"]], DiskSearch.Below(_scratch.Folder));
    }

    [Fact]
    public void A_folder_that_cannot_be_listed_is_listed_itself() =>
        Assert.Equal([_scratch["missing"]], DiskSearch.Below(_scratch["missing"]));

    [Fact]
    public void A_fixed_VHD_is_known_by_its_end()
    {
        byte[] disk = new byte[2048];
        "conectix"u8.CopyTo(disk.AsSpan(1536));
        string path = _scratch.File("disk.vhd", disk);

        Assert.Equal(ImageFormat.Vhd, DiskSearch.FormatByEnd(path));
        Assert.Null(DiskSearch.FormatByEnd(_scratch.File("disk.img", disk)));
        Assert.Null(DiskSearch.FormatByEnd(_scratch.File("short.vhd", new byte[4])));
    }
}
