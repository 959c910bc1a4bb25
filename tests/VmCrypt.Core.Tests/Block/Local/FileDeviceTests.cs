using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Block.Local;

public sealed class FileDeviceTests : ReadOnlyDeviceContract, IDisposable
{
    private const long MiB = 1 << 20;

    private readonly Scratch _scratch = new();
    private int _files;

    public void Dispose() => _scratch.Dispose();

    protected override async ValueTask<IBlockDevice> CreateAsync(byte[] content) =>
        await FileDevice.OpenAsync(NewFile(content), LocalDiskOptions.ReadWrite, Token);

    protected override async ValueTask<IBlockDevice> CreateReadOnlyAsync(byte[] content) =>
        await FileDevice.OpenAsync(NewFile(content), LocalDiskOptions.ReadOnly, Token);

    [Fact]
    public async Task Tells_holes_from_data()
    {
        await using FileDevice device = await FileDevice.CreateAsync(_scratch["sparse"], new() { Length = 8 * MiB }, Token);
        await device.WriteAsync(MiB, Noise((int)MiB), Token);
        await device.WriteAsync(4 * MiB, Noise(4096), Token);

        Extent[] extents = await ExtentsAsync(device, MiB / 2, 5 * MiB);

        Assert.Equal(
            [
                new Extent(MiB / 2, MiB / 2, ExtentKind.Hole),
                new Extent(MiB, MiB, ExtentKind.Data),
                new Extent(2 * MiB, 2 * MiB, ExtentKind.Hole),
                new Extent(4 * MiB, 4096, ExtentKind.Data),
                new Extent((4 * MiB) + 4096, (3 * MiB / 2) - 4096, ExtentKind.Hole),
            ],
            extents);
    }

    [Theory]
    [InlineData(ZeroFlags.None, 0)]
    [InlineData(ZeroFlags.KeepAllocated, 4)]
    [InlineData(ZeroFlags.OnlyIfFast, 0)]
    [InlineData(ZeroFlags.OnlyIfFast | ZeroFlags.KeepAllocated, 4)]
    public async Task Zeroing_frees_storage_unless_it_is_to_be_kept(ZeroFlags flags, int keptMiB)
    {
        await using FileDevice device = await FileDevice.CreateAsync(_scratch["file"], new() { Length = 4 * MiB }, Token);
        await device.WriteAsync(0, Noise((int)(4 * MiB)), Token);

        await device.ZeroAsync(0, 4 * MiB, flags, Token);

        Assert.Equal(new byte[4 * MiB], await ReadAllAsync(device));
        Assert.Equal(keptMiB * MiB, Storage.AllocatedBytes(device.Path));
    }

    [Fact]
    public async Task A_trim_frees_storage()
    {
        await using FileDevice device = await FileDevice.CreateAsync(_scratch["file"], new() { Length = 4 * MiB }, Token);
        await device.WriteAsync(0, Noise((int)(4 * MiB)), Token);

        await device.TrimAsync(MiB, 2 * MiB, Token);

        Assert.Equal(2 * MiB, Storage.AllocatedBytes(device.Path));
    }

    [Theory]
    [InlineData(FilePreallocation.Off, 0)]
    [InlineData(FilePreallocation.Falloc, 4)]
    [InlineData(FilePreallocation.Full, 4)]
    public async Task Preallocates_as_asked(FilePreallocation preallocation, int allocatedMiB)
    {
        await using FileDevice device = await FileDevice.CreateAsync(
            _scratch["file"], new() { Length = 4 * MiB, Preallocation = preallocation }, Token);
        await device.FlushAsync(Token);

        Assert.Equal(4 * MiB, device.Length);
        Assert.Equal(new byte[4 * MiB], await ReadAllAsync(device));
        Assert.Equal(allocatedMiB * MiB, Storage.AllocatedBytes(device.Path));
    }

    [Fact]
    public async Task A_new_file_belongs_to_its_owner_alone()
    {
        await using FileDevice device = await FileDevice.CreateAsync(_scratch["file"], FileCreateOptions.Sparse, Token);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, Storage.ModeOf(device.Path));
    }

    [Fact]
    public async Task Creates_nothing_over_an_existing_file()
    {
        string path = NewFile([1, 2, 3]);
        await FailsAsync(ErrorIds.FileExists, async () => await FileDevice.CreateAsync(path, FileCreateOptions.Sparse, Token));
        Assert.Equal([1, 2, 3], await File.ReadAllBytesAsync(path, Token));
    }

    [Theory]
    [InlineData("missing")]
    [InlineData("missing/file")]
    public Task A_missing_file_is_said_to_be_missing(string name) =>
        FailsAsync(ErrorIds.FileNotFound, async () => await LocalDisk.OpenAsync(_scratch[name], LocalDiskOptions.ReadWrite, Token));

    [Fact]
    public Task A_file_as_a_folder_is_missing() =>
        FailsAsync(ErrorIds.FileNotFound, async () => await LocalDisk.OpenAsync(NewFile([1]) + "/file", LocalDiskOptions.ReadOnly, Token));

    [Theory]
    [InlineData("/")]
    [InlineData("/dev/null")]
    [InlineData("/dev/zero")]
    public async Task What_is_no_disk_is_refused(string path)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "device files are of Linux");
        await FailsAsync(ErrorIds.NotADisk, async () => await LocalDisk.OpenAsync(path, LocalDiskOptions.ReadOnly, Token));
        await FailsAsync(ErrorIds.NotADisk, async () => await FileDevice.OpenAsync(path, LocalDiskOptions.ReadWrite, Token));
    }

    [Fact]
    public async Task A_file_that_somebody_cuts_is_an_error_not_zeros()
    {
        string path = NewFile(Noise(8192));
        await using FileDevice device = await FileDevice.OpenAsync(path, LocalDiskOptions.ReadOnly, Token);
        await File.WriteAllBytesAsync(path, Noise(4096), Token);

        await FailsAsync(ErrorIds.DeviceIO, () => device.ReadAsync(2048, new byte[4096], Token));
    }

    [Fact]
    public async Task Follows_links()
    {
        string path = NewFile(Noise(4096));
        File.CreateSymbolicLink(_scratch["link"], path);
        await using IBlockDevice device = await LocalDisk.OpenAsync(_scratch["link"], LocalDiskOptions.ReadOnly, Token);
        Assert.Equal(Noise(4096), await ReadAllAsync(device));
    }

    [Fact]
    public async Task Writers_exclude_readers_and_each_other_and_readers_share()
    {
        string path = NewFile(Noise(4096));
        await using (await FileDevice.OpenAsync(path, LocalDiskOptions.ReadOnly, Token))
        await using (await FileDevice.OpenAsync(path, LocalDiskOptions.ReadOnly, Token))
        {
            await FailsAsync(ErrorIds.ImageInUse, async () => await FileDevice.OpenAsync(path, LocalDiskOptions.ReadWrite, Token));
        }

        await using (await FileDevice.OpenAsync(path, LocalDiskOptions.ReadWrite, Token))
        {
            await FailsAsync(ErrorIds.ImageInUse, async () => await FileDevice.OpenAsync(path, LocalDiskOptions.ReadWrite, Token));
            var error = await Assert.ThrowsAsync<DeviceBusyException>(async () => await FileDevice.OpenAsync(path, LocalDiskOptions.ReadOnly, Token));
            Assert.Contains("this process itself", error.Message, StringComparison.Ordinal);
            await using FileDevice forced = await FileDevice.OpenAsync(path, new() { Locking = ImageLocking.ForceShare }, Token);
            Assert.Equal(Noise(4096), await ReadAllAsync(forced));
        }

        await using (await FileDevice.OpenAsync(path, LocalDiskOptions.ReadWrite, Token))
        {
        }
    }

    [Fact]
    public Task A_name_that_no_file_can_have_is_the_callers_mistake() => FailsAsync(ErrorIds.InvalidParameter,
        async () => await PendingFile.CreateAsync(_scratch[new string('x', 300)], FileCreateOptions.Sparse, replace: false, Token));

    [Fact]
    public Task Nobody_writes_with_force_share() => FailsAsync(ErrorIds.InvalidParameter,
        async () => await FileDevice.OpenAsync(NewFile([1]), new() { Writable = true, Locking = ImageLocking.ForceShare }, Token));

    private string NewFile(byte[] content) => _scratch.File($"file{_files++}", content);

    private static async Task<Extent[]> ExtentsAsync(FileDevice device, long offset, long count)
    {
        List<Extent> extents = [];
        await foreach (Extent extent in device.ExtentsAsync(offset, count, Token))
        {
            extents.Add(extent);
        }

        return [.. extents];
    }
}
