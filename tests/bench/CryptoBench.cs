using System.Globalization;
using VmCrypt.Core.Crypto;

namespace VmCrypt.Bench;

/// <summary>One core, in memory. We count processor time, as openssl speed does, so that other load on the machine does not matter.</summary>
internal sealed class CryptoBench : IBench
{
    private const int BufferSize = 65536;
    private const int Rounds = 5;

    private static readonly TimeSpan s_round = TimeSpan.FromSeconds(0.3);

    public string Name => "crypto";

    public IEnumerable<Figure> Run()
    {
        foreach (AesPath path in AesPaths.Available.Reverse())
        {
            double? goal = path == AesPath.Platform ? null : 0.9;
            yield return Cipher("aes-xts-plain64", 64, 512, path, encrypt: true, "aes-256-xts", goal);
            yield return Cipher("aes-xts-plain64", 64, 512, path, encrypt: false, "aes-256-xts", goal);
            yield return Cipher("aes-xts-plain64", 64, 4096, path, encrypt: true, "aes-256-xts", goal);
            yield return Cipher("aes-xts-plain64", 64, 4096, path, encrypt: false, "aes-256-xts", goal);
            yield return Cipher("aes-xts-plain64", 32, 512, path, encrypt: false, "aes-128-xts", goal: null);
            yield return Cipher("aes-cbc-essiv:sha256", 32, 512, path, encrypt: true, "aes-256-cbc", goal: null);
            yield return Cipher("aes-cbc-essiv:sha256", 32, 512, path, encrypt: false, "aes-256-cbc", goal: null);
            yield return Cipher("aes-ctr-plain64", 32, 512, path, encrypt: true, "aes-256-ctr", goal: null);
        }

        yield return Cipher("serpent-xts-plain64", 64, 512, AesPath.Platform, encrypt: false, peerCipher: null, goal: null);
        yield return Cipher("twofish-xts-plain64", 64, 512, AesPath.Platform, encrypt: false, peerCipher: null, goal: null);
        yield return Cipher("cast5-cbc-plain64", 16, 512, AesPath.Platform, encrypt: false, peerCipher: null, goal: null);
        foreach (HashKind hash in Enum.GetValues<HashKind>())
        {
            yield return Kdf(hash);
        }

        foreach (HashKind hash in Enum.GetValues<HashKind>())
        {
            yield return Splitter(hash);
        }

        yield return Argon(4);
        yield return Argon(1);
    }

    private static Figure Cipher(string text, int keySize, int sectorSize, AesPath path, bool encrypt, string? peerCipher, double? goal)
    {
        using var cipher = SectorCipher.Create(CipherSpec.Parse(text), [.. Enumerable.Range(0, keySize).Select(i => (byte)i)], sectorSize, path);
        byte[] buffer = new byte[BufferSize];
        double ours = 0;
        double? peer = null;
        for (int round = 0; round < Rounds; round++)
        {
            ours = Math.Max(ours, PerSecond(encrypt ? () => cipher.Encrypt(0, buffer, buffer) : () => cipher.Decrypt(0, buffer, buffer)) * BufferSize);
            peer = peerCipher is null ? null : OpenSslSpeed(peerCipher, encrypt) is { } speed ? Math.Max(peer ?? 0, speed) : null;
        }

        string job = $"{text} {keySize * 8} {sectorSize} {(encrypt ? "encrypt" : "decrypt")} ({path})";
        return new Figure(job, "MB/s", ours / 1e6, peerCipher is null ? "-" : $"openssl speed -evp {peerCipher}", peer / 1e6, goal);
    }

    private static Figure Kdf(HashKind hash)
    {
        double ours = Pbkdf2Benchmark.MeasurePerSecond(hash, Digest.SizeOf(hash));
        const int Few = 1000;
        int many = (int)ours;
        // The difference of two runs leaves the start of the program out; its best is the one that nobody disturbed.
        double? seconds = Enumerable.Range(0, Rounds).Min(_ => (OpenSslPbkdf2(hash, many) - OpenSslPbkdf2(hash, Few))?.TotalSeconds);
        return new Figure($"pbkdf2 {HashKinds.NameOf(hash)}", "iter/s", ours, "openssl kdf", (many - Few) / seconds,
            Goal: hash is HashKind.Sha224 or HashKind.Ripemd160 or HashKind.Whirlpool ? null : 0.95);
    }

    private static Figure Splitter(HashKind hash)
    {
        byte[] key = new byte[64];
        byte[] material = new byte[key.Length * 4000];
        return new Figure($"anti-forensic merge 64 x 4000 {HashKinds.NameOf(hash)}", "merges/s",
            PerSecond(() => AntiForensic.Merge(hash, material, key, 4000)), "-", Peer: null, Goal: null);
    }

    // At the time of day: lanes are threads on both sides.
    private static Figure Argon(int lanes)
    {
        const int Passes = 4;
        const int GiBInKiB = 1024 * 1024;
        byte[] key = new byte[32];
        return Race.Run(
            $"argon2id 1 GiB, {Passes} passes, {lanes} lanes", "MiB/s", Passes * 1024, "argon2",
            () => Argon2.Derive(Argon2Variant.Id, "a passphrase"u8, "some salt"u8, new Argon2Cost(GiBInKiB, Passes, lanes), key),
            () => Peer.Run(
                "sh", "-c", $"printf 'a passphrase' | argon2 'some salt' -id -t {Passes} -k {GiBInKiB} -p {lanes} -l 32 -r")?.Elapsed,
            goal: 1 / 1.1);
    }

    private static double PerSecond(Action job)
    {
        // Reading the clock costs a system call, so it is read once in many jobs.
        const int Jobs = 16;
        TimeSpan start = ThreadClock.Now;
        TimeSpan elapsed;
        long count = 0;
        do
        {
            for (int i = 0; i < Jobs; i++)
            {
                job();
            }

            count += Jobs;
            elapsed = ThreadClock.Now - start;
        }
        while (elapsed < s_round);
        return count / elapsed.TotalSeconds;
    }

    // Bytes per second, from a line such as +F:25:AES-256-XTS:6921925560.
    private static double? OpenSslSpeed(string cipher, bool encrypt)
    {
        string[] arguments = ["speed", "-mr", "-seconds", "1", "-bytes", BufferSize.ToString(), "-evp", cipher, .. encrypt ? [] : new[] { "-decrypt" }];
        return Peer.Run("openssl", arguments) is ({ } output, _)
            ? double.Parse(output.Split('\n').Last(line => line.StartsWith("+F:", StringComparison.Ordinal)).Split(':')[3], CultureInfo.InvariantCulture)
            : null;
    }

    private static TimeSpan? OpenSslPbkdf2(HashKind hash, int iterations) => Peer.Run(
        "openssl", "kdf", "-provider", "legacy", "-provider", "default", "-keylen", Digest.SizeOf(hash).ToString(),
        "-kdfopt", $"digest:{HashKinds.NameOf(hash)}", "-kdfopt", "pass:a passphrase", "-kdfopt", "salt:salt of 32 bytes, as LUKS has it",
        "-kdfopt", $"iter:{iterations}", "PBKDF2")?.Elapsed;
}
