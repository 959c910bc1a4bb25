using VmCrypt.Core.Block;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Interop.Tests.Images;

/// <summary>What a writer leaves when it is stopped, as qemu-img judges it; the disk shares everything with a snapshot, which must not change either.</summary>
public sealed class Qcow2CrashTests : IDisposable
{
    private const int DiskBytes = 512 * 1024;
    private const int Calls = 40;

    // Every crash point costs a run of qemu-img; our own check looks at all of them.
    private const int JudgedPoints = 8;

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("cluster_size=512", false)]
    [InlineData("cluster_size=4096,refcount_bits=2", false)]
    [InlineData("cluster_size=16384,extended_l2=on", false)]
    [InlineData("cluster_size=4096", true)]
    public async Task A_crash_harms_neither_the_disk_nor_its_snapshot(string options, bool compressed)
    {
        string path = _scratch["disk.qcow2"];
        byte[] content = SampleDisk.Make(DiskBytes, seed: 5);
        Tools.Run("qemu-img", ["convert", "-q", "-f", "raw", "-O", "qcow2", .. compressed ? ["-c"] : Array.Empty<string>(), "-o", options,
            _scratch.File("disk.raw", content), path]);
        Tools.Run("qemu-img", "snapshot", "-c", "frozen", path);
        byte[] image = File.ReadAllBytes(path);
        var file = new RecordingDevice(new MemoryDevice([.. image]));
        var model = new DurabilityModel(content, file.Log, seed: 12);
        await using (Qcow2Image disk = await Qcow2Image.OpenAsync(
            file, new Qcow2OpenOptions { Writable = true, MetadataCacheBytes = 64 * 1024 }, Qcow2Disk.Token))
        {
            await model.RunAsync(disk, Calls, Qcow2Disk.Token);
        }

        var history = new DiskHistory(image, file.Effects);
        for (int effects = 0; effects <= history.Count; effects++)
        {
            foreach ((string how, MemoryDevice crashed) in Crashes(history, effects))
            {
                await JudgeAsync(crashed, content, model, effects, $"{how} after {effects} effects of {history.Count}", judges: effects % ((history.Count / JudgedPoints) + 1) == 0);
            }
        }
    }

    private static IEnumerable<(string How, MemoryDevice Crashed)> Crashes(DiskHistory history, int effects) =>
        [("killed", history.After(effects)), ("power cut", history.AfterPowerCut(effects, 0)), ("another power cut", history.AfterPowerCut(effects, 1))];

    private async Task JudgeAsync(MemoryDevice crashed, byte[] content, DurabilityModel model, int effects, string context, bool judges)
    {
        Qcow2CheckResult result = await Qcow2Check.RunAsync(crashed, Qcow2Disk.Token);
        Assert.True(result.Corruptions == 0, $"{context}: {string.Join(' ', result.Findings)}");
        if (judges)
        {
            File.WriteAllBytes(_scratch["crashed.qcow2"], crashed.ToArray());
            ImageJudge.CheckForgivingLeaks(_scratch["crashed.qcow2"], context);
        }

        await using Qcow2Image reopened = await Qcow2Image.OpenAsync(crashed, new Qcow2OpenOptions(), Qcow2Disk.Token);
        await model.CheckAsync(reopened, effects, context, Qcow2Disk.Token);
        await using IBlockDevice snapshot = await reopened.OpenSnapshotAsync("frozen", Qcow2Disk.Token);
        byte[] frozen = await Qcow2Disk.ReadAllAsync(snapshot);
        Assert.True(frozen.AsSpan().SequenceEqual(content), $"{context}: the snapshot has changed");
    }
}
