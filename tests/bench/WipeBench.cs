using VmCrypt.Core.Configuration;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Bench;

/// <summary>Whole wipes, audit log and all, of a file in memory and of one on the disk, against dd, shred and cat on the same file.</summary>
internal sealed class WipeBench : IBench, IDisposable
{
    private const long Size = 2L << 30;

    private readonly BenchFolder _memory = new();

    // Beside the sources rather than in /tmp, which may be memory, too.
    private readonly string _disk = Path.Combine(AppContext.BaseDirectory, "wipe-bench.img");
    private WipeService? _service;

    public string Name => "wipe";

    public IEnumerable<Figure> Run()
    {
        _service = new WipeService(new ConfigurationFolder(_memory["config"]));
        string memory = _memory["wipe.img"];
        _memory.FillAsync("wipe.img", Size).GetAwaiter().GetResult();
        yield return Pass("zero, in memory", memory, "Zero", "shred -n0 -z", () => Peer.Run("shred", "-n0", "-z", memory)?.Elapsed, 0.9);
        yield return Pass("random, in memory", memory, "Random", "shred -n1", () => Peer.Run("shred", "-n1", memory)?.Elapsed, 2);
        yield return Verify("verify zeros, in memory", memory, "Zero", 0.9);
        yield return Verify("verify random, in memory", memory, "Random", 0.9);
        yield return Seven(memory, "seven passes, in memory");
        _memory.Delete("wipe.img");

        File.WriteAllBytes(_disk, []);
        Peer.Run("dd", "if=/dev/urandom", $"of={_disk}", "bs=1M", $"count={Size >> 20}", "conv=fdatasync");
        yield return Pass("zero, on disk", _disk, "Zero", "dd bs=1M conv=fdatasync",
            () => Peer.Run("dd", "if=/dev/zero", $"of={_disk}", "bs=1M", $"count={Size >> 20}", "conv=notrunc,fdatasync")?.Elapsed, 1);
        yield return Pass("random, on disk", _disk, "Random", "shred -n1", () => Peer.Run("shred", "-n1", _disk)?.Elapsed, 1);
        yield return Seven(_disk, "seven passes, on disk");
    }

    public void Dispose()
    {
        _memory.Dispose();
        File.Delete(_disk);
    }

    private Figure Pass(string job, string path, string standard, string peerName, Func<TimeSpan?> peer, double goal) =>
        Race.Run(job, "MB/s", Size / 1e6, peerName, () => Wipe(path, standard, VerifyMode.None), peer, goal);

    // The time of the verification alone, which cat is to be compared with.
    private Figure Verify(string job, string path, string standard, double goal)
    {
        double best = 0;
        double? peer = null;
        for (int round = 0; round < 3; round++)
        {
            best = Math.Max(best, Size / 1e6 / Wipe(path, standard, VerifyMode.LastPass).Passes[^1].VerifySeconds);
            peer = Peer.Run("sh", "-c", $"cat '{path}' > /dev/null")?.Elapsed is { } elapsed ? Math.Max(peer ?? 0, Size / 1e6 / elapsed.TotalSeconds) : peer;
        }

        return new Figure(job, "MB/s", best, "cat > /dev/null", peer, goal);
    }

    // Our own single passes are the peer: what several passes cost must be the passes.
    private Figure Seven(string path, string job) => Race.Run(
        job, "MB/s", 7 * Size / 1e6, "the same passes one by one",
        () => Wipe(path, "DoD7", VerifyMode.None),
        () => TimeOf(() =>
        {
            foreach (string standard in new[] { "Random", "Zero", "One", "Random", "Random", "Zero", "One" })
            {
                Wipe(path, standard, VerifyMode.None);
            }
        }),
        goal: 1 / 1.1);

    private WipeResult Wipe(string path, string standard, VerifyMode verify) => _service!.RunAsync(
        new WipeRequest { Path = path, Standard = WipeStandards.BuiltIn[standard], Verify = verify }, null, default).GetAwaiter().GetResult();

    private static TimeSpan TimeOf(Action job)
    {
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        job();
        return System.Diagnostics.Stopwatch.GetElapsedTime(start);
    }
}
