using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Proof;
using VmCrypt.Core.Proof.Content;
using VmCrypt.Core.Stack;

namespace VmCrypt.Bench;

/// <summary>Proofs of encryption: the look at bytes alone, and whole tests of a file in memory and of one on the disk beside reading them.</summary>
internal sealed class ProofBench : IBench, IDisposable
{
    private const long Size = 1L << 30;

    private readonly BenchFolder _memory = new();

    // Beside the sources rather than in /tmp, which may be memory, too.
    private readonly string _disk = Path.Combine(AppContext.BaseDirectory, "proof-bench.img");

    public string Name => "proof";

    public IEnumerable<Figure> Run()
    {
        yield return Judge("judge ciphertext, one core", Noise());
        yield return Judge("judge text, one core", Text());

        string memory = _memory["proof.img"];
        Fill(memory);
        yield return Race.Run("test without key, in memory", "MB/s", Size / 1e6, "cat > /dev/null", () => Prove(memory), () => Read(memory), goal: null);
        yield return Race.Run("test without key, in memory", "MB/s", Size / 1e6, "sha256sum", () => Prove(memory), () => Peer.Run("sha256sum", memory)?.Elapsed, goal: 1);
        _memory.Delete("proof.img");

        yield return WithKey();

        Fill(_disk);
        yield return Race.Run("test without key, on disk", "MB/s", Size / 1e6, "cat > /dev/null", () => Prove(_disk), () => Read(_disk), goal: 0.9, Forget);
    }

    public void Dispose()
    {
        _memory.Dispose();
        File.Delete(_disk);
    }

    // The goal is a rate of one core, so processor time counts, and a rate is the peer.
    private static Figure Judge(string job, byte[] bytes)
    {
        var judge = new BlockJudge();
        double best = 0;
        for (int round = 0; round < 8; round++)
        {
            TimeSpan start = Environment.CpuUsage.TotalTime;
            for (int at = 0; at < bytes.Length; at += BlockJudge.BlockSize)
            {
                judge.Judge(bytes.AsSpan(at, BlockJudge.BlockSize));
            }

            best = Math.Max(best, bytes.Length / 1e6 / (Environment.CpuUsage.TotalTime - start).TotalSeconds);
        }

        return new Figure(job, "MB/s", best, "1 GiB/s", (1 << 30) / 1e6, Goal: 1);
    }

    private Figure WithKey()
    {
        string path = _memory["luks.img"];
        using SecretBuffer passphrase = SecretBuffer.CopyOf("bench"u8);
        var plan = new NewDisk { Size = Size / 2, Format = ImageFormat.Raw, Encryption = LuksFormatOptions.Default with { Cost = KdfCost.OfIterations(KdfCost.MinIterations) } };
        DiskFile.CreateAsync(new DiskTarget { Location = DiskLocation.Parse(path) }, plan, passphrase, async (disk, token) =>
        {
            byte[] text = Text();
            for (long at = 0; at < plan.Size; at += text.Length)
            {
                await disk.Device.WriteAsync(at, text, token);
            }
        }, default).AsTask().GetAwaiter().GetResult();
        Figure figure = Race.Run("test with key, all decrypted, in memory", "MB/s", plan.Size / 1e6, "sha256sum", () =>
        {
            using var keys = new DiskKeys(passphrase.Copy());
            Prove(path, keys, new ProofOptions { Full = true });
        }, () => Peer.Run("sha256sum", path)?.Elapsed, goal: null);
        _memory.Delete("luks.img");
        return figure;
    }

    private static void Prove(string path, DiskKeys? keys = null, ProofOptions? options = null) => EncryptionProof.RunAsync(
        DiskLocation.Parse(path), DiskOpenOptions.Default, keys, options ?? new ProofOptions(), new Progress<JobProgress>(), default)
        .AsTask().GetAwaiter().GetResult();

    private static TimeSpan? Read(string path) => Peer.Run("sh", "-c", $"cat '{path}' > /dev/null")?.Elapsed;

    private static void Fill(string path)
    {
        File.WriteAllBytes(path, []);
        Peer.Run("dd", "if=/dev/urandom", $"of={path}", "bs=1M", $"count={Size >> 20}", "conv=fdatasync");
    }

    // Takes the file out of the page cache.
    private void Forget() => Peer.Run("dd", $"if={_disk}", "iflag=nocache", "count=0");

    private static byte[] Noise()
    {
        byte[] bytes = new byte[64 << 20];
        new Random(1).NextBytes(bytes);
        return bytes;
    }

    private static byte[] Text()
    {
        byte[] line = [.. "What is written without effort is in general read without pleasure. "u8];
        return [.. Enumerable.Range(0, 16 << 20).Select(at => line[at % line.Length])];
    }
}
