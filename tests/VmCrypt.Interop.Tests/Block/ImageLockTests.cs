using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;

namespace VmCrypt.Interop.Tests.Block;

/// <summary>QEMU and we keep each other away from an image that one of us uses.</summary>
public sealed class ImageLockTests : IDisposable
{
    // QEMU shares no resizing of a qcow2 image, and says so last.
    private const long LastByte = 203;

    private static readonly LocalDiskOptions s_forced = new() { Locking = ImageLocking.ForceShare };

    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task We_lock_the_bytes_that_QEMU_locks(bool writable)
    {
        string image = NewImage();
        SortedSet<long> ours;
        await using (await FileDevice.OpenAsync(image, new() { Writable = writable }, Token))
        {
            ours = LockHolder.LockedBytes(image);
        }

        Assert.NotEmpty(ours);
        Assert.Empty(LockHolder.LockedBytes(image));
        using LockHolder qemu = await QemuIoAsync(image, writable);
        await LockHolder.UntilAsync(image, ours.SetEquals);
    }

    [Fact]
    public async Task What_QEMU_writes_we_open_only_by_force_and_only_for_reading()
    {
        string image = NewImage();
        using LockHolder qemu = await QemuIoAsync(image, writable: true);

        foreach (LocalDiskOptions options in new[] { LocalDiskOptions.ReadWrite, LocalDiskOptions.ReadOnly })
        {
            var error = await Assert.ThrowsAsync<DeviceBusyException>(async () => await FileDevice.OpenAsync(image, options, Token));
            Assert.Equal(ErrorIds.ImageInUse, error.ErrorId);
            Assert.Contains($"qemu-io (process {qemu.ProcessId})", error.Message, StringComparison.Ordinal);
        }

        await using FileDevice forced = await FileDevice.OpenAsync(image, s_forced, Token);
        byte[] magic = new byte[3];
        await forced.ReadAsync(0, magic, Token);
        Assert.Equal("QFI"u8.ToArray(), magic);
    }

    [Fact]
    public async Task What_QEMU_reads_we_read_but_do_not_write()
    {
        string image = NewImage();
        using LockHolder qemu = await QemuIoAsync(image, writable: false);

        await using (await FileDevice.OpenAsync(image, LocalDiskOptions.ReadOnly, Token))
        {
        }

        var error = await Assert.ThrowsAsync<DeviceBusyException>(async () => await FileDevice.OpenAsync(image, LocalDiskOptions.ReadWrite, Token));
        Assert.Equal(ErrorIds.ImageInUse, error.ErrorId);
    }

    [Fact]
    public async Task A_running_VM_keeps_us_away()
    {
        string image = NewImage();
        using LockHolder qemu = await LockHolder.StartAsync(image, LastByte, "qemu-system-x86_64",
            "-nodefaults", "-display", "none", "-S", "-machine", "q35,accel=tcg", "-m", "64",
            "-drive", $"file={image},format=qcow2,if=virtio");

        var error = await Assert.ThrowsAsync<DeviceBusyException>(async () => await FileDevice.OpenAsync(image, LocalDiskOptions.ReadOnly, Token));
        Assert.Equal(ErrorIds.ImageInUse, error.ErrorId);
        await using (await FileDevice.OpenAsync(image, s_forced, Token))
        {
        }
    }

    [Fact]
    public async Task What_we_write_QEMU_opens_only_by_force()
    {
        string image = NewImage();
        await using (await FileDevice.OpenAsync(image, LocalDiskOptions.ReadWrite, Token))
        {
            Fails("""Failed to get shared "write" lock""", "qemu-img", "info", image);
            Fails("""Failed to get "write" lock""", "qemu-io", "-f", "qcow2", "-c", "write 0 512", image);
            Tools.Run("qemu-img", "info", "-U", image);
        }

        Tools.Run("qemu-io", "-f", "qcow2", "-c", "write 0 512", image);
    }

    [Fact]
    public async Task What_we_read_QEMU_reads_but_does_not_write()
    {
        string image = NewImage();
        await using (await FileDevice.OpenAsync(image, LocalDiskOptions.ReadOnly, Token))
        {
            Tools.Run("qemu-img", "info", image);
            Fails("""Failed to get "write" lock""", "qemu-io", "-f", "qcow2", "-c", "write 0 512", image);
        }
    }

    [Fact]
    public async Task Who_reads_by_force_disturbs_no_writer()
    {
        string image = NewImage();
        await using FileDevice forced = await FileDevice.OpenAsync(image, s_forced, Token);
        Tools.Run("qemu-io", "-f", "qcow2", "-c", "write 0 512", image);
    }

    [Fact]
    public async Task Without_locks_nothing_is_asked_and_nothing_held()
    {
        string image = NewImage();
        using LockHolder qemu = await QemuIoAsync(image, writable: true);
        SortedSet<long> theirs = LockHolder.LockedBytes(image);

        await using FileDevice device = await FileDevice.OpenAsync(image, new() { Writable = true, Locking = ImageLocking.None }, Token);

        Assert.Equal(theirs, LockHolder.LockedBytes(image));
    }

    private string NewImage()
    {
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", _scratch["image.qcow2"], "1M");
        return _scratch["image.qcow2"];
    }

    private static Task<LockHolder> QemuIoAsync(string image, bool writable) => LockHolder.StartAsync(
        image, LastByte, "qemu-io", ["-f", "qcow2", .. writable ? Array.Empty<string>() : ["-r"], "-c", "sleep 60000", image]);

    private static void Fails(string message, string tool, params string[] arguments)
    {
        (int exitCode, _, string error) = Tools.TryRun(tool, arguments);
        Assert.NotEqual(0, exitCode);
        Assert.Contains(message, error, StringComparison.Ordinal);
    }
}
