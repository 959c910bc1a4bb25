using System.Runtime.Versioning;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;

namespace VmCrypt.Interop.Tests.Block;

/// <summary>Host block devices, shown on loop devices.</summary>
[SupportedOSPlatform("linux")]
public sealed class HostDeviceTests : ReadOnlyDeviceContract, IDisposable
{
    private const int MiB = 1 << 20;

    private readonly Scratch _scratch = new();
    private readonly Stack<IDisposable> _cleanup = new();
    private int _files;

    public void Dispose()
    {
        while (_cleanup.TryPop(out IDisposable? next))
        {
            next.Dispose();
        }

        _scratch.Dispose();
    }

    protected override ValueTask<IBlockDevice> CreateAsync(byte[] content) =>
        LocalDisk.OpenAsync(NewLoop(content).Path, LocalDiskOptions.ReadWrite, Token);

    protected override ValueTask<IBlockDevice> CreateReadOnlyAsync(byte[] content) =>
        LocalDisk.OpenAsync(NewLoop(content).Path, LocalDiskOptions.ReadOnly, Token);

    [Fact]
    public async Task Knows_its_blocks_and_takes_any_offset_all_the_same()
    {
        byte[] model = Noise(MiB);
        LoopDevice loop = NewLoop([.. model], "--sector-size", "4096");
        byte[] fresh = Noise(5000, seed: 2);
        fresh.CopyTo(model, 777);
        model.AsSpan(10001, 20000).Clear();

        await using (var device = Assert.IsType<HostDevice>(await LocalDisk.OpenAsync(loop.Path, LocalDiskOptions.ReadWrite, Token)))
        {
            Assert.Equal((4096, 4096, MiB), (device.LogicalBlock, device.PhysicalBlock, device.Length));
            await device.WriteAsync(777, fresh, Token);
            await device.ZeroAsync(10001, 20000, ZeroFlags.None, Token);
            await device.FlushAsync(Token);
        }

        Assert.Equal(model, await File.ReadAllBytesAsync(_scratch["disk0"], Token));
    }

    [Fact]
    public async Task Zeroes_and_trims_without_writing()
    {
        LoopDevice loop = NewLoop(Noise(8 * MiB));
        await using IBlockDevice device = await LocalDisk.OpenAsync(loop.Path, LocalDiskOptions.ReadWrite, Token);
        Assert.True(device.Traits is { CanZeroFast: true, CanTrim: true });

        await device.ZeroAsync(0, 4 * MiB, ZeroFlags.OnlyIfFast, Token);
        await device.TrimAsync(4 * MiB, 2 * MiB, Token);
        await device.FlushAsync(Token);

        Assert.Equal(2 * MiB, Storage.AllocatedBytes(_scratch["disk0"]));
        Assert.Equal(new byte[4 * MiB], await ReadAsync(device, 0, 4 * MiB));
    }

    [Fact]
    public async Task A_mounted_device_is_not_written_and_the_error_says_where()
    {
        LoopDevice loop = NewLoop(new byte[4 * MiB]);
        Tools.Run("mkfs.ext4", "-q", loop.Path);
        _cleanup.Push(Mounted.At(_scratch["mount point"], loop.Path));

        string message = await BusyAsync(loop.Path);

        Assert.Contains($"mounted at {_scratch["mount point"]}", message, StringComparison.Ordinal);
        await using IBlockDevice reader = await LocalDisk.OpenAsync(loop.Path, LocalDiskOptions.ReadOnly, Token);
        Assert.Equal(4 * MiB, reader.Length);
    }

    [Fact]
    public async Task A_disk_with_a_mounted_partition_is_not_written()
    {
        LoopDevice loop = NewLoop(new byte[16 * MiB]);
        (int exitCode, _, string error) = Tools.TryRun("addpart", loop.Path, "1", "2048", "30720");
        Assert.SkipWhen(exitCode != 0, $"loop devices have no partitions here: {error.Trim()}");
        _cleanup.Push(new Undo(() => Tools.Run("delpart", loop.Path, "1")));
        string partition = loop.Path + "p1";
        Tools.Run("mkfs.ext4", "-q", partition);
        _cleanup.Push(Mounted.At(_scratch["mount"], partition));

        Assert.Contains($"mounted at {_scratch["mount"]} (its partition {loop.Name}p1)", await BusyAsync(loop.Path), StringComparison.Ordinal);
        Assert.Contains($"mounted at {_scratch["mount"]}.", await BusyAsync(partition), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_swap_device_is_not_written()
    {
        LoopDevice loop = NewLoop(new byte[4 * MiB]);
        Tools.Run("mkswap", loop.Path);
        (int exitCode, _, string error) = Tools.TryRun("swapon", loop.Path);
        Assert.SkipWhen(exitCode != 0, $"no swap to be had here: {error.Trim()}");
        try
        {
            Assert.Contains("used as swap", await BusyAsync(loop.Path), StringComparison.Ordinal);
        }
        finally
        {
            Tools.Run("swapoff", loop.Path);
        }
    }

    [Fact]
    public async Task A_device_below_another_is_not_written()
    {
        LoopDevice loop = NewLoop(new byte[MiB]);
        string name = $"vmcrypt-test-{loop.Name}";
        (int exitCode, _, string error) = Tools.TryRun("dmsetup", "create", name, "--table", $"0 2048 linear {loop.Path} 0");
        Assert.SkipWhen(exitCode != 0, $"there is no device mapper here: {error.Trim().Split('\n')[0]}");
        try
        {
            Assert.Matches($@"held by dm-\d+ \({name}\)", await BusyAsync(loop.Path));
        }
        finally
        {
            Tools.Run("dmsetup", "remove", name);
        }
    }

    [Fact]
    public async Task Two_of_us_do_not_write_one_device()
    {
        LoopDevice loop = NewLoop(new byte[MiB]);
        await using IBlockDevice device = await LocalDisk.OpenAsync(loop.Path, LocalDiskOptions.ReadWrite, Token);
        await BusyAsync(loop.Path);
    }

    [Fact]
    public async Task A_device_that_QEMU_writes_is_in_use()
    {
        LoopDevice loop = NewLoop(new byte[MiB]);
        using LockHolder qemu = await LockHolder.StartAsync(loop.Path, lastByte: 101,
            "qemu-io", "--image-opts", "-c", "sleep 60000", $"driver=host_device,filename={loop.Path}");

        var error = await Assert.ThrowsAsync<DeviceBusyException>(async () => await LocalDisk.OpenAsync(loop.Path, LocalDiskOptions.ReadWrite, Token));

        Assert.Equal(ErrorIds.ImageInUse, error.ErrorId);
    }

    [Fact]
    public async Task A_read_only_device_is_opened_for_reading_alone()
    {
        LoopDevice loop = NewLoop(Noise(MiB), "--read-only");
        await FailsAsync(ErrorIds.DeviceReadOnly, async () => await LocalDisk.OpenAsync(loop.Path, LocalDiskOptions.ReadWrite, Token));
        await using IBlockDevice device = await LocalDisk.OpenAsync(loop.Path, LocalDiskOptions.ReadOnly, Token);
        Assert.Equal(Noise(MiB), await ReadAllAsync(device));
    }

    private LoopDevice NewLoop(byte[] content, params string[] options)
    {
        var loop = LoopDevice.Over(_scratch.File($"disk{_files++}", content), options);
        _cleanup.Push(loop);
        return loop;
    }

    private static async Task<string> BusyAsync(string path)
    {
        var error = await Assert.ThrowsAsync<DeviceBusyException>(async () => await LocalDisk.OpenAsync(path, LocalDiskOptions.ReadWrite, Token));
        Assert.Equal(ErrorIds.DeviceInUse, error.ErrorId);
        return error.Message;
    }

    private sealed class Undo(Action action) : IDisposable
    {
        public void Dispose() => action();
    }
}
