using VmCrypt.Core.Block;
using VmCrypt.Core.Stack;

namespace VmCrypt.Interop.Tests.Images;

/// <summary>QEMU reads what we have compacted, of its own making and of ours.</summary>
public sealed class CompactTests : IDisposable
{
    private const int MiB = 1024 * 1024;
    private const int DiskBytes = 16 * MiB;

    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("vhdx", ImageFormat.Vhdx, "subformat=dynamic,block_size=1M")]
    [InlineData("vhdx", ImageFormat.Vhdx, "subformat=dynamic,block_size=1M,block_state_zero=off")]
    [InlineData("vpc", ImageFormat.Vhd, "subformat=dynamic,force_size=on")]
    public async Task Disks_that_QEMU_made_and_wrote_keep_their_content(string driver, ImageFormat format, string options)
    {
        string path = _scratch["disk"];
        Tools.Run("qemu-img", "create", "-q", "-f", driver, "-o", options, path, $"{DiskBytes}");
        Tools.Run("qemu-io", "-f", driver, "-c", "write -P 1 12M 4M", "-c", "write -P 2 0 4M", "-c", "write -P 3 6M 2M", "-c", "write -P 0 12M 3M", path);
        byte[] before = Read(driver, path);
        long length = new FileInfo(path).Length;

        long saved = await CompactAsync(path, format);

        Assert.Equal(length - saved, new FileInfo(path).Length);
        Assert.Equal(before, Read(driver, path));
        Assert.True(saved >= 2 * MiB, $"{saved} bytes saved");
        if (driver == "vhdx")
        {
            Tools.Run("qemu-img", "check", "-q", "-f", driver, path);
        }

        // QEMU goes on writing, and finds the end where we left it.
        Tools.Run("qemu-io", "-f", driver, "-c", "write -P 4 8M 3M", path);
        before.AsSpan(8 * MiB, 3 * MiB).Fill(4);
        Assert.Equal(before, Read(driver, path));
        Assert.Equal(before, await ReadAsync(path, format));
    }

    private async Task<long> CompactAsync(string path, ImageFormat format)
    {
        await using DiskStack disk = await DiskStack.OpenAsync(DiskLocation.Parse(path), new DiskOpenOptions { Writable = true, Format = format }, Token);
        return await disk.CompactAsync(new Progress<JobProgress>(), Token);
    }

    private static async Task<byte[]> ReadAsync(string path, ImageFormat format)
    {
        await using DiskStack disk = await DiskStack.OpenAsync(DiskLocation.Parse(path), new DiskOpenOptions { Format = format }, Token);
        using var none = new DiskKeys();
        byte[] bytes = new byte[disk.DiskSize];
        await (await disk.UnlockAsync(none, Token)).ReadAsync(0, bytes, Token);
        return bytes;
    }

    private byte[] Read(string driver, string path)
    {
        Tools.Run("qemu-img", "convert", "-f", driver, "-O", "raw", path, _scratch["raw"]);
        return File.ReadAllBytes(_scratch["raw"]);
    }
}
