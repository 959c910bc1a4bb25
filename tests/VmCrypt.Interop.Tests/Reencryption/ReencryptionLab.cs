using System.Diagnostics;
using System.Security.Cryptography;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Stack;
using VmCrypt.Interop.Tests.Luks;

namespace VmCrypt.Interop.Tests.Reencryption;

/// <summary>A raw disk that we and cryptsetup convert in turns.</summary>
internal sealed class ReencryptionLab : IDisposable
{
    public const string Passphrase = "correct horse";

    /// <summary>What cryptsetup needs to convert a file: it cannot tell whether one is in use.</summary>
    private static readonly string[] s_file = ["-q", "--force-offline-reencrypt"];

    private static readonly string[] s_quick = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];

    private readonly Scratch _scratch = new();
    private readonly string _key;

    public ReencryptionLab(int length = 40 << 20)
    {
        Tools.Require("cryptsetup");
        Plain = RandomNumberGenerator.GetBytes(length);
        Plain.AsSpan(length / 3, length / 5).Clear();
        Image = _scratch["disk.raw"];
        _key = _scratch.File("key", System.Text.Encoding.UTF8.GetBytes(Passphrase));
    }

    public byte[] Plain { get; }

    public string Image { get; }

    public string Header => _scratch["disk.luks"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void WritePlain() => File.WriteAllBytes(Image, Plain);

    /// <summary>Makes an encrypted disk with cryptsetup.</summary>
    public async Task WriteEncryptedAsync(int sectorSize, bool detached)
    {
        if (detached)
        {
            File.WriteAllBytes(Image, Plain);
            File.WriteAllBytes(Header, []);
            using FileStream file = File.OpenWrite(Header);
            file.SetLength(16 << 20);
        }
        else
        {
            using FileStream file = File.Create(Image);
            file.SetLength((16 << 20) + Plain.Length);
        }

        string[] place = detached ? ["--header", Header] : [];
        Tools.Run("cryptsetup", ["luksFormat", "-q", "--type", "luks2", .. s_quick, "--sector-size", $"{sectorSize}", .. place, Image, _key]);
        await using DiskStack disk = await OpenAsync(detached, writable: true);
        using var keys = new DiskKeys(LuksDisk.Secret(Passphrase));
        IBlockDevice plain = await disk.UnlockAsync(keys, Token);
        await plain.WriteAsync(0, Plain, Token);
    }

    /// <summary>Runs cryptsetup to its end.</summary>
    public void Cryptsetup(params string[] arguments) => Tools.Run("cryptsetup", [.. arguments, .. arguments[0] == "repair" ? ["-q"] : s_file, "--key-file", _key]);

    /// <summary>Begins a conversion with cryptsetup and kills it when it has done a part.</summary>
    public void KillCryptsetup(long afterBytes, params string[] arguments)
    {
        // Its own smallest zones slow the tool down; it is killed when its progress says so.
        var start = new ProcessStartInfo("cryptsetup", [.. arguments, .. s_file, "--key-file", _key, "--progress-json", "--progress-frequency", "0"])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        string? line;
        while ((line = process.StandardOutput.ReadLine()) is not null)
        {
            if (line.Contains("device_bytes", StringComparison.Ordinal)
                && long.Parse(System.Text.Json.JsonDocument.Parse(line).RootElement.GetProperty("device_bytes").GetString()!) >= afterBytes)
            {
                process.Kill();
                break;
            }
        }

        process.WaitForExit();
    }

    public string[] Place(bool detached) => detached ? ["--header", Header, Image] : [Image];

    public ReencryptionOptions Options(bool detached, int? sectorSize = null, ReencryptionResilience resilience = default) => new()
    {
        Location = DiskLocation.Parse(Image),
        HeaderPath = detached ? Header : null,
        Encryption = LuksDisk.Quick with { SectorSize = sectorSize },
        Resilience = resilience,
        ZoneLength = 1 << 20,
    };

    /// <summary>Starts a conversion of ours, which stops by itself after a part.</summary>
    public async Task StopAsync(long afterBytes, Func<IProgress<JobProgress>, CancellationToken, Task> convert)
    {
        using var stop = new CancellationTokenSource();
        var progress = new Immediate(done =>
        {
            if (done.DoneBytes >= afterBytes)
            {
                stop.Cancel();
            }
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => convert(progress, stop.Token));
    }

    /// <summary>Runs a conversion of ours whose machine stops while a zone is being written, and not the last.</summary>
    public async Task StopHotAsync(bool detached, ReencryptionOptions options, Func<ReencryptedImage, Task> convert)
    {
        string[] files = [.. new[] { Image, Header }.Where(File.Exists)];
        byte[][] before = [.. files.Select(File.ReadAllBytes)];
        ReencryptionFacts? facts;
        do
        {
            foreach ((string file, byte[] content) in files.Zip(before))
            {
                await File.WriteAllBytesAsync(file, content, Token);
            }

            Array.ForEach(Directory.GetFiles(Path.GetDirectoryName(Image)!, Path.GetFileName(Image) + ".vmcrypt-*"), File.Delete);
            // What begins a conversion has some tens of effects, and most of those that follow are in a hot zone. Not in the last one of a
            // decryption: after its own repair of that, cryptsetup 2.6 fails to resume ("Failed to write reencryption resilience metadata").
            var plan = new CrashPlan(Random.Shared.Next(30, 60));
            await using var image = new ReencryptedImage(
                options,
                new CrashDevice(await OpenFileAsync(Image), plan),
                new HeaderFiles(options.Location),
                detached && File.Exists(Header) ? new CrashDevice(await OpenFileAsync(Header), plan) : null);
            await Assert.ThrowsAsync<CrashException>(() => convert(image));
        }
        while ((facts = (await DescribeAsync(detached)).Conversion) is not { WasInterrupted: true, Percent: < 99.9 });
    }

    public async Task<ImageDescription> DescribeAsync(bool detached) => await ImageInspector.DescribeAsync(
        DiskLocation.Parse(Image), DiskOpenOptions.Default with { HeaderPath = detached ? Header : null }, Token);

    public Task ResumeAsync(bool detached) => WithSecretAsync(secret =>
        DiskReencryption.ResumeAsync(Options(detached), [secret], null, Token));

    public async Task WithSecretAsync(Func<SecretBuffer, Task> work)
    {
        using SecretBuffer secret = LuksDisk.Secret(Passphrase);
        await work(secret);
    }

    /// <summary>The start of the disk, as who has the passphrase sees it, is what the guest wrote.</summary>
    public async Task VerifyEncryptedAsync(bool detached)
    {
        await using DiskStack disk = await OpenAsync(detached, writable: false);
        using var keys = new DiskKeys(LuksDisk.Secret(Passphrase));
        IBlockDevice plain = await disk.UnlockAsync(keys, Token);
        byte[] found = new byte[Plain.Length];
        await plain.ReadAsync(0, found, Token);
        Assert.Equal(SHA256.HashData(Plain), SHA256.HashData(found));
        Tools.Run("cryptsetup", ["open", "--test-passphrase", "--key-file", _key, .. Place(detached)]);
    }

    public void VerifyPlain()
    {
        byte[] found = File.ReadAllBytes(Image);
        Assert.Equal(SHA256.HashData(Plain), SHA256.HashData(found.AsSpan(0, Plain.Length)));
    }

    public void Dispose() => _scratch.Dispose();

    private static async Task<IBlockDevice> OpenFileAsync(string path) => await FileDevice.OpenAsync(path, LocalDiskOptions.ReadWrite, Token);

    private ValueTask<DiskStack> OpenAsync(bool detached, bool writable) => DiskStack.OpenAsync(
        DiskLocation.Parse(Image), DiskOpenOptions.Default with { HeaderPath = detached ? Header : null, Writable = writable, Format = detached ? ImageFormat.Raw : null }, Token);

    private sealed class Immediate(Action<JobProgress> report) : IProgress<JobProgress>
    {
        public void Report(JobProgress value) => report(value);
    }
}
