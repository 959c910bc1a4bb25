using System.Diagnostics;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Stack;

namespace VmCrypt.Bench;

/// <summary>Conversions in place, journal and flushes and all, against cryptsetup's on the same file and qemu-img's copy to a new one.</summary>
internal sealed class InPlaceBench : IBench, IDisposable
{
    private const long Size = 1L << 30;
    private const string ReduceSize = "32M";

    private static readonly string[] s_quick = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];

    private readonly BenchFolder _memory = new();

    // Beside the sources rather than in /tmp, which may be memory, too.
    private readonly BenchFolder _disk = new(AppContext.BaseDirectory);

    public string Name => "in-place";

    public IEnumerable<Figure> Run()
    {
        foreach ((BenchFolder folder, string place) in new[] { (_memory, "in memory"), (_disk, "on disk") })
        {
            Fill(folder);
            yield return Race.Run($"encrypt in place, {place}", "MB/s", Size / 1e6, "qemu-img convert -O luks",
                () => Convert(folder, DiskReencryption.ProtectAsync), () => Copy(folder, format: "raw"), goal: 1, () => CopyFile(folder, "plain"));
            yield return Race.Run($"encrypt in place, VHDX, {place}", "MB/s", Size / 1e6, "qemu-img convert -f vhdx -O luks",
                () => Convert(folder, DiskReencryption.ProtectAsync), () => Copy(folder, format: "vhdx"), goal: 1, () => CopyFile(folder, "plain.vhdx"));
            yield return AgainstCryptsetup(folder, $"encrypt in place, {place}", "plain", goal: 1.5, DiskReencryption.ProtectAsync, "--encrypt", "--type", "luks2", "--reduce-device-size", ReduceSize);
            yield return AgainstCryptsetup(folder, $"new key in place, {place}", "luks", goal: 1.5,
                (options, secret, progress, token) => DiskReencryption.UpdateKeyAsync(options, secret, [secret], progress, token));
            yield return AgainstCryptsetup(folder, $"decrypt in place, {place}", "luks", goal: 1.5, DiskReencryption.UnprotectAsync, "--decrypt", "--header", folder["aside"]);
            yield return Race.Run($"encrypt in place while it is served, {place}", "MB/s", Size / 1e6, "the same without a server",
                () => Serve(folder), () => Timed(() => Convert(folder, DiskReencryption.ProtectAsync)), goal: 0.95, () => CopyFile(folder, "plain"));
            folder.Delete("plain", "plain.vhdx", "luks", "disk", "peer.luks", "aside");
        }
    }

    public void Dispose()
    {
        _memory.Dispose();
        _disk.Dispose();
    }

    private static Figure AgainstCryptsetup(
        BenchFolder folder, string job, string source, double goal,
        Func<ReencryptionOptions, SecretBuffer, IProgress<Core.Block.JobProgress>?, CancellationToken, Task> ours, params string[] arguments) =>
        Race.Run(job, "MB/s", Size / 1e6, "cryptsetup reencrypt",
            () => Convert(folder, ours),
            () => Cryptsetup(folder, ["reencrypt", .. arguments, .. arguments.Contains("--decrypt") ? [] : s_quick, "--force-offline-reencrypt"]),
            goal,
            () => CopyFile(folder, source));

    private static void Fill(BenchFolder folder)
    {
        folder.FillAsync("plain", Size).GetAwaiter().GetResult();
        _ = Peer.Run("qemu-img", ["convert", "-f", "raw", "-O", "vhdx", folder["plain"], folder["plain.vhdx"]]);
        File.Copy(folder["plain"], folder["luks"]);
        using (FileStream file = File.OpenWrite(folder["luks"]))
        {
            file.SetLength(Size + (16 << 20));
        }

        _ = Peer.Run("cryptsetup", ["luksFormat", "-q", "--type", "luks2", .. s_quick, folder["luks"], folder["secret"]]);
    }

    // What was written before is on the medium, so that nobody pays for another's pages.
    internal static void CopyFile(BenchFolder folder, string source)
    {
        folder.Delete("disk", "peer.luks", "aside");
        File.Copy(folder[source], folder["disk"]);
        _ = Peer.Run("sync", folder["disk"]);
    }

    /// <summary>Runs a conversion of the file named disk.</summary>
    internal static void Convert(BenchFolder folder, Func<ReencryptionOptions, SecretBuffer, IProgress<Core.Block.JobProgress>?, CancellationToken, Task> convert)
    {
        using SecretBuffer secret = BenchFolder.Key();
        convert(Options(folder), secret, null, default).GetAwaiter().GetResult();
    }

    // Nobody uses the disk: what the server and its smaller zones cost.
    private static void Serve(BenchFolder folder)
    {
        using SecretBuffer secret = BenchFolder.Key();
        var server = new NbdServerOptions { Listen = [new NbdAddress.Unix(folder["socket"])] };
        ServedConversion served = ServedConversion.StartAsync(
            token => LiveConversion.ProtectAsync(Options(folder), secret, token), server, name: string.Empty, description: string.Empty, default).GetAwaiter().GetResult()!;
        served.Conversion.Completion.GetAwaiter().GetResult();
        served.StopAsync().GetAwaiter().GetResult();
    }

    private static ReencryptionOptions Options(BenchFolder folder) => new()
    {
        Location = DiskLocation.Parse(folder["disk"]),
        Encryption = LuksFormatOptions.Default with { Cost = KdfCost.OfIterations(KdfCost.MinIterations) },
    };

    private static TimeSpan? Timed(Action job)
    {
        long start = Stopwatch.GetTimestamp();
        job();
        return Stopwatch.GetElapsedTime(start);
    }

    private static TimeSpan? Cryptsetup(BenchFolder folder, string[] arguments) =>
        Peer.Run("cryptsetup", [.. arguments, "-q", "--key-file", folder["secret"], folder["disk"]])?.Elapsed;

    // The copy is on the medium, as ours is.
    private static TimeSpan? Copy(BenchFolder folder, string format) => Peer.Run("qemu-img",
        ["convert", "-t", "writeback", .. folder.Secret, "-f", format, "-O", "luks", "-o", "key-secret=key,iter-time=10", folder["disk"], folder["peer.luks"]])?.Elapsed;
}
