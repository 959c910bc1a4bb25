using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;

namespace VmCrypt.Interop.Tests.Block;

/// <summary>What real file systems refuse: full, read-only, immutable.</summary>
public sealed class FileFaultTests : IDisposable
{
    private const int MiB = 1 << 20;

    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_full_file_system_is_said_to_be_full()
    {
        using var small = Mounted.At(_scratch["small"], "-t", "tmpfs", "-o", "size=2m", "tmpfs");
        string path = Path.Combine(small.Folder, "disk");
        await using FileDevice device = await FileDevice.CreateAsync(path, new() { Length = 8 * MiB }, Token);

        Assert.Equal(ErrorIds.DiskFull, await ErrorOfAsync(() => device.WriteAsync(0, new byte[4 * MiB], Token)));
        await device.ZeroAsync(0, 8 * MiB, ZeroFlags.None, Token);
        Assert.Equal(ErrorIds.DiskFull, await ErrorOfAsync(() => device.ZeroAsync(0, 8 * MiB, ZeroFlags.KeepAllocated, Token)));
    }

    [Theory]
    [InlineData(FilePreallocation.Falloc)]
    [InlineData(FilePreallocation.Full)]
    public async Task Preallocation_that_does_not_fit_leaves_no_file(FilePreallocation preallocation)
    {
        using var small = Mounted.At(_scratch["small"], "-t", "tmpfs", "-o", "size=2m", "tmpfs");
        string path = Path.Combine(small.Folder, "disk");

        Assert.Equal(ErrorIds.DiskFull,
            await ErrorOfAsync(async () => await PendingFile.CreateAsync(path, new() { Length = 4 * MiB, Preallocation = preallocation }, replace: false, Token)));

        Assert.Empty(Directory.GetFiles(small.Folder));
    }

    [Fact]
    public async Task A_size_that_the_file_system_does_not_know_is_said_to_be_too_large()
    {
        using var loop = LoopDevice.Over(_scratch.File("ext4", new byte[4 * MiB]));
        Tools.Run("mkfs.ext4", "-q", loop.Path);
        using var mounted = Mounted.At(_scratch["mounted"], loop.Path);
        string path = Path.Combine(mounted.Folder, "disk");

        Assert.Equal(ErrorIds.FileTooLarge, await ErrorOfAsync(async () => await FileDevice.CreateAsync(path, new() { Length = 1L << 60 }, Token)));
        Assert.False(File.Exists(path));
        await using FileDevice device = await FileDevice.CreateAsync(path, new() { Length = MiB }, Token);
        Assert.Equal(ErrorIds.FileTooLarge, await ErrorOfAsync(() => device.SetLengthAsync(1L << 60, Token)));
        Assert.Equal(MiB, device.Length);
    }

    [Fact]
    public async Task Without_zeroing_in_place_a_hole_is_made_and_filled()
    {
        // tmpfs knows holes, but no zeroing in place.
        using var memory = Mounted.At(_scratch["memory"], "-t", "tmpfs", "-o", "size=8m", "tmpfs");
        await using FileDevice device = await FileDevice.CreateAsync(Path.Combine(memory.Folder, "disk"), new() { Length = 4 * MiB }, Token);
        await device.WriteAsync(0, Enumerable.Repeat((byte)1, 4 * MiB).ToArray(), Token);

        await device.ZeroAsync(MiB, 2 * MiB, ZeroFlags.KeepAllocated | ZeroFlags.OnlyIfFast, Token);

        Assert.Equal(4 * MiB, Storage.AllocatedBytes(device.Path));
        byte[] read = new byte[4 * MiB];
        await device.ReadAsync(0, read, Token);
        Assert.Equal(2 * MiB, read.Count(value => value == 0));
    }

    [Fact]
    public async Task A_read_only_file_system_is_said_to_be_read_only()
    {
        _scratch.File("disk", new byte[MiB]);
        using var mounted = Mounted.At(_scratch["mounted"], "-t", "tmpfs", "-o", "size=2m", "tmpfs");
        string path = Path.Combine(mounted.Folder, "disk");
        File.Copy(_scratch["disk"], path);
        Tools.Run("mount", "-o", "remount,ro", mounted.Folder);

        Assert.Equal(ErrorIds.DeviceReadOnly, await ErrorOfAsync(async () => await LocalDisk.OpenAsync(path, LocalDiskOptions.ReadWrite, Token)));
        Assert.Equal(ErrorIds.DeviceReadOnly,
            await ErrorOfAsync(async () => await PendingFile.CreateAsync(path + "2", FileCreateOptions.Sparse, replace: false, Token)));
        await using IBlockDevice device = await LocalDisk.OpenAsync(path, LocalDiskOptions.ReadOnly, Token);
        Assert.Equal(MiB, device.Length);
    }

    [Fact]
    public async Task A_file_that_may_not_be_changed_is_said_to_be_protected()
    {
        string path = _scratch.File("disk", new byte[MiB]);
        (int exitCode, _, string error) = Tools.TryRun("chattr", "+i", path);
        Assert.SkipWhen(exitCode != 0, $"files cannot be made immutable here: {error.Trim()}");
        try
        {
            Assert.Equal(ErrorIds.AccessDenied, await ErrorOfAsync(async () => await LocalDisk.OpenAsync(path, LocalDiskOptions.ReadWrite, Token)));
        }
        finally
        {
            Tools.Run("chattr", "-i", path);
        }
    }

    [Fact]
    public async Task A_pipe_is_no_disk_and_does_not_block()
    {
        Tools.Run("mkfifo", _scratch["pipe"]);
        Assert.Equal(ErrorIds.NotADisk, await ErrorOfAsync(async () => await LocalDisk.OpenAsync(_scratch["pipe"], LocalDiskOptions.ReadOnly, Token)));
    }

    private static async Task<string> ErrorOfAsync(Func<ValueTask> call) =>
        (await Assert.ThrowsAnyAsync<VmCryptException>(async () => await call())).ErrorId;
}
