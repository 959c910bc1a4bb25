using System.Diagnostics;
using System.Runtime.Versioning;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Stack;
using VmCrypt.Interop.Tests.Block;

namespace VmCrypt.Interop.Tests.Luks;

/// <summary>cryptsetup waits for us, and we for cryptsetup, while one of us changes a LUKS2 header.</summary>
[SupportedOSPlatform("linux")]
public sealed class HeaderLockTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly Cryptsetup _cryptsetup;

    public HeaderLockTests() => _cryptsetup = new Cryptsetup(_scratch);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Cryptsetup_waits_until_we_have_changed_a_header()
    {
        LuksDisk disk = _cryptsetup.FormatLuks2();
        Task<(int ExitCode, string Output, string Error)> theirs;
        await using (await DiskStack.OpenAsync(DiskLocation.Parse(disk.Path), new DiskOpenOptions { Writable = true, HeadersOnly = true }, Token))
        {
            theirs = Task.Run(() => Tools.TryRun("cryptsetup", "config", "--label", "theirs", disk.Path), Token);
            await WaitForWaiterAsync(disk.Path, theirs);
            Assert.False(theirs.IsCompleted);
        }

        Assert.Equal(0, (await theirs).ExitCode);
        Assert.Contains("theirs", _cryptsetup.Dump(disk), StringComparison.Ordinal);
    }

    [Fact]
    public async Task We_wait_until_somebody_else_has_changed_a_header()
    {
        LuksDisk disk = _cryptsetup.FormatLuks2();
        using Process holder = Hold(disk.Path);

        var busy = await Assert.ThrowsAsync<DeviceBusyException>(
            async () => await HeaderLock.TakeAsync(disk.Path, exclusive: true, TimeSpan.Zero, Token));
        Assert.Equal(ErrorIds.LuksHeaderLocked, busy.ErrorId);
        ValueTask<HeaderLock?> waiting = HeaderLock.TakeAsync(disk.Path, exclusive: true, Token);
        Assert.False(waiting.IsCompleted);
        holder.StandardInput.Close();

        using HeaderLock? taken = await waiting;
        Assert.NotNull(taken);
    }

    [Fact]
    public async Task Readers_share_and_a_change_of_slots_takes_the_lock_and_gives_it_back()
    {
        LuksDisk disk = _cryptsetup.FormatLuks2();
        using (HeaderLock? one = await HeaderLock.TakeAsync(disk.Path, exclusive: false, TimeSpan.Zero, Token))
        using (HeaderLock? two = await HeaderLock.TakeAsync(disk.Path, exclusive: false, TimeSpan.Zero, Token))
        {
            Assert.NotNull(one);
            Assert.NotNull(two);
            await Assert.ThrowsAsync<DeviceBusyException>(async () => await HeaderLock.TakeAsync(disk.Path, exclusive: true, TimeSpan.Zero, Token));
        }

        await KeySlots.RemoveAsync(DiskLocation.Parse(disk.Path), new DiskOpenOptions(), slot: 0, keys: null, force: true, Token);

        using HeaderLock? free = await HeaderLock.TakeAsync(disk.Path, exclusive: true, TimeSpan.Zero, Token);
        Assert.NotNull(free);
    }

    [Fact]
    public async Task The_lock_of_a_block_device_is_cryptsetups_too_and_leaves_nothing_behind()
    {
        LuksDisk disk = _cryptsetup.FormatLuks2();
        using LoopDevice device = LoopDevice.Over(disk.Path);
        (uint major, uint minor) = FileStatus.Of(device.Path)!.SpecialDevice;
        string resource = $"/run/cryptsetup/L_{major}:{minor}";
        Task<(int ExitCode, string Output, string Error)> theirs;
        using (await HeaderLock.TakeAsync(device.Path, exclusive: true, Token))
        {
            theirs = Task.Run(() => Tools.TryRun("cryptsetup", "config", "--label", "theirs", device.Path), Token);
            await WaitForWaiterAsync(resource, theirs);
            Assert.False(theirs.IsCompleted);
        }

        Assert.Equal(0, (await theirs).ExitCode);
        using (await HeaderLock.TakeAsync(device.Path, exclusive: true, TimeSpan.Zero, Token))
        {
            Assert.True(File.Exists(resource));
        }

        Assert.False(File.Exists(resource));
    }

    public void Dispose() => _scratch.Dispose();

    /// <summary>A process that holds the lock, as cryptsetup does, until its standard input ends.</summary>
    private static Process Hold(string path)
    {
        Tools.Require("flock");
        Process holder = Process.Start(new ProcessStartInfo("flock", ["--exclusive", path, "sh", "-c", "echo held; exec cat"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        })!;
        Assert.Equal("held", holder.StandardOutput.ReadLine());
        return holder;
    }

    // The kernel lists who waits for a lock, by the inode, behind an arrow.
    private static async Task WaitForWaiterAsync(string path, Task other)
    {
        string inode = $":{FileStatus.Of(path)!.Inode} ";
        while (!other.IsCompleted && !File.ReadLines("/proc/locks").Any(line =>
            line.Contains("->", StringComparison.Ordinal) && line.Contains("FLOCK", StringComparison.Ordinal) && line.Contains(inode, StringComparison.Ordinal)))
        {
            await Task.Delay(10, Token);
        }
    }
}
