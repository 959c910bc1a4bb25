using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Standards;

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

    // So small that the look at it takes in every byte, and stopped where its last block is written and to be read back.
    [Theory]
    [InlineData("writing")]
    [InlineData("verifying")]
    public async Task A_small_file_that_ends_within_a_block_goes_on_as_well(string part)
    {
        const int length = (3 * MiB) + 1000;
        LabDisk disk = _lab.MakeFileSystem("ext4");
        string path = WipeLab.WriteThrough(disk["small.img"], WipeLab.Noise(length));
        using var stop = new CancellationTokenSource();
        var watch = new Immediate(progress =>
        {
            if (progress.Detail!.Contains(part, StringComparison.Ordinal))
            {
                stop.Cancel();
            }
        });
        WipeResult stopped = await _lab.WipeAsync(path, "Random", request => request with { BytesPerSecond = 8 * MiB }, watch, stop.Token);
        Assert.Equal(WipeStatus.Interrupted, stopped.Status);

        WipeResult result = await _lab.Service.ResumeAsync(path, null, null, TestContext.Current.CancellationToken);

        Assert.Equal((WipeStatus.Erased, 1, (long)length), (result.Status, result.Resumes, new FileInfo(path).Length));
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

    [Fact]
    public async Task Nothing_is_changed_before_the_journal_is_there()
    {
        WipeLab.WriteThrough(Path, WipeLab.Noise((4 * MiB) + 100));
        bool seen = true;
        var watch = new Immediate(_ => seen &= File.Exists(JournalPath));

        WipeResult result = await _lab.WipeAsync(Path, "DoD", request => request with { FlushEvery = TimeSpan.FromHours(1) }, watch);

        Assert.True(seen);
        Assert.Equal((WipeStatus.Erased, (string?)null), (result.Status, result.JournalPath));
        Assert.False(File.Exists(JournalPath));
    }

    [Theory]
    [InlineData("Random", 8)]
    [InlineData("DoD", 40)]
    public async Task A_disk_that_was_used_again_is_not_called_erased_for_an_old_journal(string standard, int after)
    {
        WipeLab.WriteThrough(Path, WipeLab.Noise(16 * MiB));
        await StopAsync(standard, after * MiB);
        byte[] secret = WipeLab.Noise(MiB, seed: 3);
        using (var file = new FileStream(Path, FileMode.Open, FileAccess.Write))
        {
            file.Write(secret);
        }

        var refusal = await Assert.ThrowsAsync<RefusedException>(() => _lab.WipeAsync(Path, standard, request => request with { Verify = VerifyMode.LastPass }));
        Assert.Equal(ErrorIds.WipeTargetWritten, refusal.ErrorId);
        Assert.Equal(secret, File.ReadAllBytes(Path)[..MiB]);

        WipeResult anew = await _lab.WipeAsync(Path, standard, request => request with { Restart = true });
        Assert.Equal((WipeStatus.Erased, 0), (anew.Status, anew.Resumes));
        Assert.True(File.ReadAllBytes(Path).AsSpan().IndexOf(secret.AsSpan(0, 4096)) < 0);
    }

    [Fact]
    public async Task What_was_known_before_is_said_after_a_stop_as_well()
    {
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", _lab["base.img"], "16M");
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "preallocation=falloc,extended_l2=on", "-b", "base.img", "-F", "qcow2", Path);
        await StopAsync("Random", 4 * MiB);

        WipeResult result = await _lab.Service.ResumeAsync(Path, null, null, TestContext.Current.CancellationToken);

        Assert.Contains(_lab["base.img"], Assert.Single(result.Findings, finding => finding.Kind == FindingKind.NotIncluded).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_took_the_place_of_a_planned_target_is_left_alone()
    {
        WipeLab.WriteThrough(Path, WipeLab.Noise(MiB));
        WipePlan plan = await _lab.Service.PlanAsync(new WipeRequest { Path = Path }, TestContext.Current.CancellationToken);
        File.Move(WipeLab.WriteThrough(_lab["other.img"], WipeLab.Noise(MiB, seed: 2)), Path, overwrite: true);

        var refusal = await Assert.ThrowsAsync<RefusedException>(() => _lab.WipeAsync(Path, "Zero", request => request with { PlannedIdentity = plan.Identity }));

        Assert.Equal(ErrorIds.WipeTargetReplaced, refusal.ErrorId);
        Assert.Equal(WipeLab.Noise(MiB, seed: 2), File.ReadAllBytes(Path));
    }

    private Task<WipeResult> StopAsync(string standard, long after, Func<WipeRequest, WipeRequest>? change = null) => _lab.StopAsync(Path, standard, after, change);
}
