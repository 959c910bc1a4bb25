using System.Diagnostics;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Standards;
using VmCrypt.Interop.Tests.Kill;

namespace VmCrypt.Interop.Tests.Wipe;

/// <summary>The free space of a file system: filled, wiped, given back.</summary>
public sealed class FreeSpaceTests : IDisposable
{
    private const int MiB = 1 << 20;

    private readonly WipeLab _lab = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _lab.Dispose();

    [Fact]
    public async Task Blocks_of_deleted_files_are_overwritten_and_all_others_left()
    {
        LabDisk disk = _lab.MakeFileSystem("ext4");
        byte[] secret = WipeLab.Noise(64 * MiB);
        byte[] kept = WipeLab.Noise(8 * MiB, seed: 2);
        string deleted = WipeLab.WriteThrough(disk["deleted.img"], secret);
        WipeLab.WriteThrough(disk["kept.img"], kept);
        var runs = disk.RunsOf(deleted);
        File.Delete(deleted);
        File.WriteAllBytes(disk[".vmcrypt-free-0123456789abcdef"], WipeLab.Noise(MiB));
        Tools.Run("sync", "-f", disk.Folder);
        Assert.True(disk.Read(runs).AsSpan().SequenceEqual(secret));

        WipeResult result = await _lab.Service.RunFreeSpaceAsync(
            new FreeSpaceRequest { Folder = disk.Folder, Standard = WipeStandards.BuiltIn["One"], ReserveBytes = 4 * MiB }, null, Token);

        Assert.Equal((WipeStatus.Erased, TargetKind.FreeSpace), (result.Status, result.Target.Kind));
        // What stays free may lie anywhere: the reserve that was asked for, that of ext4 for root (5 %), and less than a file.
        Assert.InRange(disk.Read(runs).Count(value => value != 0xFF), 0, (4 + 16 + 1) * MiB);
        Assert.Equal(kept, File.ReadAllBytes(disk["kept.img"]));
        Assert.Equal(["kept.img", "lost+found"], Directory.EnumerateFileSystemEntries(disk.Folder).Select(Path.GetFileName).Order());
        Assert.InRange(result.Target.Length, 200 * MiB, 320 * MiB);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_stop_keeps_the_space_until_the_wipe_has_gone_on_to_its_end(bool byCommand)
    {
        LabDisk disk = _lab.MakeFileSystem("ext4");
        long before = new DriveInfo(disk.Folder).AvailableFreeSpace;
        FreeSpaceRequest request = Request(disk, "DoD");

        WipeResult stopped = await StopAsync(request, 300 * MiB);

        Assert.Equal(WipeStatus.Interrupted, stopped.Status);
        Assert.StartsWith(_lab.Configuration.Path, stopped.JournalPath!, StringComparison.Ordinal);
        Assert.InRange(new DriveInfo(disk.Folder).AvailableFreeSpace, 0, 16 * MiB);
        var other = await Assert.ThrowsAsync<RefusedException>(() => _lab.Service.RunFreeSpaceAsync(Request(disk, "Zero"), null, Token));
        Assert.Equal(ErrorIds.WipeJournalPending, other.ErrorId);

        WipeResult result = byCommand
            ? await _lab.Service.RunFreeSpaceAsync(request, null, Token)
            : await _lab.Service.ResumeAsync(disk.Folder, null, null, Token);

        Assert.Equal((WipeStatus.Erased, 1, 3), (result.Status, result.Resumes, result.Passes.Count));
        Assert.All(result.Passes, pass => Assert.True(pass.WrittenBytes >= result.Target.Length));
        // What the first run wrote was not written again.
        Assert.InRange(result.WrittenBytes, 3 * result.Target.Length, (3 * result.Target.Length) + (64 * MiB));
        Assert.Null(result.JournalPath);
        Assert.InRange(new DriveInfo(disk.Folder).AvailableFreeSpace, before - MiB, before + MiB);
    }

    [Fact]
    public async Task Killed_it_goes_on_with_the_same_blocks()
    {
        LabDisk disk = _lab.MakeFileSystem("ext4");
        string[] command = ["Invoke-SecureWipe", "-FreeSpace", disk.Folder, "BMB21-2007", "-Reserve", "8MB", "-FlushSeconds", "0", "-Confirm:$false", "-Json"];
        Dictionary<string, string> environment = new() { ["VMCRYPT_CONFIG"] = _lab.Configuration.Path };
        using (Process process = Vmcrypt.Start(environment, [.. command, "-ThrottleMBps", "400"]))
        {
            Assert.True(SpinWait.SpinUntil(() => process.HasExited || Directory.Exists(_lab.Configuration["wipe"]) && Directory.EnumerateFiles(_lab.Configuration["wipe"], "*.wipe-journal").Any(), TimeSpan.FromSeconds(60)));
            await Task.Delay(Random.Shared.Next(1500), Token);
            process.Kill();
            await process.WaitForExitAsync(Token);
        }

        string[] kept = [.. Directory.EnumerateFiles(disk.Folder, ".vmcrypt-free-*")];
        Tools.Run("sync", "-f", disk.Folder);
        List<(long, long)> runs = [.. kept.SelectMany(disk.RunsOf)];
        WipeResult result = await _lab.Service.ResumeAsync(disk.Folder, null, null, Token);

        Assert.InRange(runs.Sum(run => run.Item2), 200 * MiB, 320 * MiB);
        Assert.Equal((WipeStatus.Erased, 1, 6), (result.Status, result.Resumes, result.Passes.Count));
        Assert.Equal(-1, disk.Read(runs).AsSpan().IndexOfAnyExcept((byte)0));
        Assert.Equal(["lost+found"], Directory.EnumerateFileSystemEntries(disk.Folder).Select(Path.GetFileName));
    }

    [Fact]
    public async Task A_second_wipe_of_it_is_refused_while_one_is_at_work()
    {
        LabDisk disk = _lab.MakeFileSystem("ext4");
        DeviceBusyException? second = null;
        var watch = new Immediate(progress =>
        {
            if (second is null && progress.DoneBytes > 0)
            {
                second = Assert.Throws<DeviceBusyException>(() => _lab.Service.RunFreeSpaceAsync(Request(disk, "Zero") with { Restart = true }, null, Token).GetAwaiter().GetResult());
            }
        });

        WipeResult first = await _lab.Service.RunFreeSpaceAsync(Request(disk, "Zero"), watch, Token);

        Assert.Equal((ErrorIds.ImageInUse, WipeStatus.Erased), (second?.ErrorId, first.Status));
    }

    [Fact]
    public async Task Started_anew_it_takes_away_what_was_left()
    {
        LabDisk disk = _lab.MakeFileSystem("ext4");
        await StopAsync(Request(disk, "Random"), 4 * MiB);
        string[] left = [.. Directory.EnumerateFiles(disk.Folder, ".vmcrypt-free-*")];
        File.Delete(left[^1]);

        var resumed = await Assert.ThrowsAsync<RefusedException>(() => _lab.Service.ResumeAsync(disk.Folder, null, null, Token));
        WipeResult anew = await _lab.Service.RunFreeSpaceAsync(Request(disk, "Zero") with { Restart = true }, null, Token);

        Assert.Equal((ErrorIds.WipeJournalForeign, WipeStatus.Erased, 0), (resumed.ErrorId, anew.Status, anew.Resumes));
        Assert.Equal(["lost+found"], Directory.EnumerateFileSystemEntries(disk.Folder).Select(Path.GetFileName));
    }

    [Fact]
    public async Task It_has_no_keys_to_destroy()
    {
        var request = new FreeSpaceRequest { Folder = _lab.Configuration.Path, Standard = WipeStandards.BuiltIn["CryptoErase"] };
        var refusal = await Assert.ThrowsAsync<InvalidInputException>(() => _lab.Service.RunFreeSpaceAsync(request, null, Token));
        Assert.Equal(ErrorIds.WipeStandardNeedsImage, refusal.ErrorId);
    }

    private static FreeSpaceRequest Request(LabDisk disk, string standard) =>
        new() { Folder = disk.Folder, Standard = WipeStandards.BuiltIn[standard], ReserveBytes = 8 * MiB };

    private async Task<WipeResult> StopAsync(FreeSpaceRequest request, long after)
    {
        using var stop = new CancellationTokenSource();
        var watch = new Immediate(progress =>
        {
            if (progress.DoneBytes > after)
            {
                stop.Cancel();
            }
        });
        return await _lab.Service.RunFreeSpaceAsync(request with { BytesPerSecond = 400 * MiB }, watch, stop.Token);
    }
}
