using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe;

namespace VmCrypt.Interop.Tests.Wipe;

/// <summary>Wipes that stop and go on, and targets that are not what they were.</summary>
public sealed class ResumeTests : IDisposable
{
    private const int MiB = 1 << 20;

    private readonly WipeLab _lab = new();

    private string Path => _lab["disk.img"];

    private string JournalPath => Path + ".wipe-journal";

    public void Dispose() => _lab.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_stopped_wipe_goes_on_where_it_stopped(bool byCommand)
    {
        WipeLab.WriteThrough(Path, WipeLab.Noise((16 * MiB) + 1000));
        WipeResult stopped = await StopAsync("DoD", 20 * MiB);
        Assert.Equal((WipeStatus.Interrupted, JournalPath), (stopped.Status, stopped.JournalPath));
        Assert.Equal((16 * MiB) + 1000, new FileInfo(Path).Length);
        Assert.InRange(stopped.WrittenBytes, 1, 28 * MiB);

        WipeResult result = byCommand
            ? await _lab.WipeAsync(Path, "DoD")
            : await _lab.Service.ResumeAsync(Path, null, null, TestContext.Current.CancellationToken);

        Assert.Equal((WipeStatus.Erased, 1), (result.Status, result.Resumes));
        Assert.Equal(3, result.Passes.Count);
        // What the first run wrote was not written again.
        Assert.InRange(result.WrittenBytes, 3 * 16 * MiB, (3 * 17 * MiB) + (4 * MiB));
        Assert.Equal((16 * MiB) + 1000, new FileInfo(Path).Length);
        Assert.False(File.Exists(JournalPath));
    }

    [Fact]
    public async Task The_journal_can_lie_elsewhere()
    {
        WipeLab.WriteThrough(Path, WipeLab.Noise(16 * MiB));
        WipeResult stopped = await StopAsync("Random", 4 * MiB, request => request with { StatePath = _lab["state"] });

        Assert.False(File.Exists(JournalPath));
        Assert.StartsWith(_lab["state"], stopped.JournalPath!, StringComparison.Ordinal);
        WipeResult result = await _lab.Service.ResumeAsync(Path, _lab["state"], null, TestContext.Current.CancellationToken);
        Assert.Equal(WipeStatus.Erased, result.Status);
    }

    [Fact]
    public async Task A_journal_of_another_disk_is_refused()
    {
        WipeLab.WriteThrough(Path, WipeLab.Noise(16 * MiB));
        await StopAsync("Random", 4 * MiB);
        byte[] other = WipeLab.Noise(16 * MiB, seed: 3);
        File.Delete(Path);
        WipeLab.WriteThrough(Path, other);

        var resumed = await Assert.ThrowsAsync<RefusedException>(() => _lab.Service.ResumeAsync(Path, null, null, TestContext.Current.CancellationToken));
        var again = await Assert.ThrowsAsync<RefusedException>(() => _lab.WipeAsync(Path, "Random"));

        Assert.Equal((ErrorIds.WipeJournalForeign, ErrorIds.WipeJournalForeign), (resumed.ErrorId, again.ErrorId));
        Assert.Equal(other, File.ReadAllBytes(Path));
        Assert.Equal(WipeStatus.Erased, (await _lab.WipeAsync(Path, "Random", request => request with { Restart = true })).Status);
    }

    [Fact]
    public async Task Other_settings_and_other_hosts_are_refused()
    {
        WipeLab.WriteThrough(Path, WipeLab.Noise(16 * MiB));
        await StopAsync("Random", 4 * MiB);

        var other = await Assert.ThrowsAsync<RefusedException>(() => _lab.WipeAsync(Path, "Zero"));
        var elsewhere = new ConfigurationFolder(_lab["elsewhere"]);
        elsewhere.Create();
        var foreign = await Assert.ThrowsAsync<WrongKeyException>(
            () => new WipeService(elsewhere).ResumeAsync(Path, null, null, TestContext.Current.CancellationToken));
        var none = await Assert.ThrowsAsync<MissingException>(
            () => _lab.Service.ResumeAsync(_lab["nothing"], null, null, TestContext.Current.CancellationToken));

        Assert.Equal(
            (ErrorIds.WipeJournalPending, ErrorIds.WipeJournalKeyWrong, ErrorIds.WipeJournalMissing),
            (other.ErrorId, foreign.ErrorId, none.ErrorId));
    }

    [Theory]
    [InlineData("grows")]
    [InlineData("shrinks")]
    [InlineData("replaced")]
    [InlineData("deleted")]
    public async Task A_target_that_changes_under_the_wipe_is_noticed(string how)
    {
        WipeLab.WriteThrough(Path, WipeLab.Noise(16 * MiB));
        bool done = false;
        var change = new Immediate(progress =>
        {
            if (!done && progress.DoneBytes > 4 * MiB)
            {
                done = true;
                switch (how)
                {
                    case "replaced":
                        File.Move(WipeLab.WriteThrough(_lab["other.img"], WipeLab.Noise(16 * MiB)), Path, overwrite: true);
                        break;
                    case "deleted":
                        File.Delete(Path);
                        break;
                    default:
                        Tools.Run("truncate", "--size", how == "grows" ? "+4096" : "-4096", Path);
                        break;
                }
            }
        });

        WipeResult result = await _lab.WipeAsync(
            Path, "DoD7", request => request with { BytesPerSecond = 64 * MiB, FlushEvery = TimeSpan.FromMilliseconds(50) }, change);

        Assert.Equal((WipeStatus.Failed, ErrorIds.WipeTargetChanged), (result.Status, result.Fault?.ErrorId));
        Assert.Single(result.Passes);
    }

    [Fact]
    public async Task A_full_disk_stops_the_journal_and_not_the_wipe()
    {
        LabDisk disk = _lab.MakeFileSystem("ext4");
        string path = WipeLab.WriteThrough(disk["a.img"], WipeLab.Noise(8 * MiB));
        Tools.TryRun("dd", "if=/dev/zero", $"of={disk["filler"]}", "bs=1M");
        Tools.TryRun("dd", "if=/dev/zero", $"of={disk["filler2"]}", "bs=4k");

        WipeResult result = await _lab.WipeAsync(path, "Zero", request => request with { FlushEvery = TimeSpan.Zero });

        Assert.Equal(WipeStatus.Erased, result.Status);
        Assert.Contains(FindingKind.JournalIncomplete, result.Findings.Select(finding => finding.Kind));
        Assert.Equal(new byte[8 * MiB], File.ReadAllBytes(path));
    }

    [Fact]
    public async Task A_thousand_small_images_in_a_row_take_little_each()
    {
        Directory.CreateDirectory(_lab["many"]);
        string[] paths = [.. Enumerable.Range(0, 1000).Select(i => WipeLab.WriteThrough(System.IO.Path.Combine(_lab["many"], $"{i}.img"), WipeLab.Noise(8192, i)))];

        await Parallel.ForEachAsync(paths, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (path, _) =>
            Assert.Equal(WipeStatus.Erased, (await _lab.WipeAsync(path, "Zero", request => request with { After = AfterWipe.Delete })).Status));

        Assert.Empty(Directory.EnumerateFileSystemEntries(_lab["many"]));
    }

    private async Task<WipeResult> StopAsync(string standard, long after, Func<WipeRequest, WipeRequest>? change = null)
    {
        using var stop = new CancellationTokenSource();
        var watch = new Immediate(progress =>
        {
            if (progress.DoneBytes >= after)
            {
                stop.Cancel();
            }
        });
        return await _lab.WipeAsync(
            Path,
            standard,
            request => (change?.Invoke(request) ?? request) with { BytesPerSecond = 64 * MiB },
            watch,
            stop.Token);
    }
}
