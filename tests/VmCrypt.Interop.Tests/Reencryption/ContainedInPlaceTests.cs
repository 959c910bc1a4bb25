using System.Diagnostics;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Stack;
using VmCrypt.Interop.Tests.Kill;
using VmCrypt.Interop.Tests.Luks;

namespace VmCrypt.Interop.Tests.Reencryption;

/// <summary>VHDX and VHD files made by qemu-img, converted by us, read by QEMU as LUKS over the container, and by cryptsetup once exported.</summary>
public sealed class ContainedInPlaceTests : IDisposable
{
    private const string OldPassphrase = "correct horse";
    private const string NewPassphrase = "battery staple";
    private const int MiB = 1 << 20;
    private const int Length = 12 * MiB;
    private const int Kills = 3;

    private readonly Scratch _scratch = new();
    private readonly byte[] _plain = new byte[Length];
    private readonly string _image;
    private string _driver = "vhdx";

    public ContainedInPlaceTests()
    {
        Tools.Require("qemu-img");
        _image = _scratch["disk"];
        var random = new Random(17);
        random.NextBytes(_plain.AsSpan(0, 3 * MiB));
        random.NextBytes(_plain.AsSpan(7 * MiB, 4 * MiB));
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("vhdx", "subformat=dynamic,block_size=1M")]
    [InlineData("vhdx", "subformat=fixed,block_size=2M")]
    [InlineData("vpc", "subformat=dynamic")]
    [InlineData("vpc", "subformat=fixed,force_size=on")]
    public async Task QEMU_finds_the_guests_bytes_after_each_conversion(string driver, string options)
    {
        Make(driver, options);
        byte[] plain = QemuImg.Read(_scratch, Container);
        Assert.Equal(_plain, plain[..Length]);

        await RunAsync((secret, _) => DiskReencryption.ProtectAsync(Options(), secret, null, Token));
        Assert.Equal(plain, QemuImg.Read(_scratch, Encrypted, Secret(OldPassphrase)));
        CheckVhdx();

        await RunAsync((secret, next) => DiskReencryption.UpdateKeyAsync(Options() with { Resilience = ReencryptionResilience.Journal }, secret, [next], null, Token));
        Assert.Equal(plain, QemuImg.Read(_scratch, Encrypted, Secret(NewPassphrase)));

        await RunAsync((_, next) => DiskReencryption.UnprotectAsync(Options(), next, null, Token));
        Assert.Equal(plain, QemuImg.Read(_scratch, Container));
        CheckVhdx();
        Assert.Equal([_image], Directory.GetFiles(Path.GetDirectoryName(_image)!, "disk*"));
    }

    [Fact]
    public async Task Cryptsetup_decrypts_what_was_exported()
    {
        Tools.Require("cryptsetup");
        Make("vhdx", "subformat=dynamic");
        await RunAsync((secret, _) => DiskReencryption.ProtectAsync(Options() with { Version = LuksVersion.Luks2, Encryption = LuksDisk.QuickLuks2 }, secret, null, Token));
        string raw = _scratch["exported.raw"];
        Tools.Run("qemu-img", "convert", "--image-opts", Container, "-O", "raw", raw);

        string key = _scratch.File("key", System.Text.Encoding.UTF8.GetBytes(OldPassphrase));
        Tools.Run("cryptsetup", "reencrypt", "--decrypt", "-q", "--force-offline-reencrypt", "--header", _scratch["aside"], "--key-file", key, raw);

        Assert.Equal(_plain, File.ReadAllBytes(raw)[..Length]);
    }

    [Theory]
    [InlineData("vhdx", "subformat=dynamic", ReencryptionMode.Encrypt)]
    [InlineData("vpc", "subformat=dynamic,force_size=on", ReencryptionMode.Decrypt)]
    [InlineData("vpc", "subformat=fixed,force_size=on", ReencryptionMode.Encrypt)]
    [InlineData("vpc", "subformat=fixed,force_size=on", ReencryptionMode.Decrypt)]
    public async Task Half_way_it_is_refused_and_says_how_far_it_is(string driver, string options, ReencryptionMode mode)
    {
        Make(driver, options);
        bool decrypts = mode == ReencryptionMode.Decrypt;
        if (decrypts)
        {
            await RunAsync((secret, _) => DiskReencryption.ProtectAsync(Options(), secret, null, Token));
        }

        await StopAsync(decrypts ? DiskReencryption.UnprotectAsync : DiskReencryption.ProtectAsync);

        Assert.NotEqual(0, Tools.TryRun("qemu-img", ["info", .. Secret(OldPassphrase), "--image-opts", Encrypted]).ExitCode);
        ImageFormat format = driver == "vhdx" ? ImageFormat.Vhdx : ImageFormat.Vhd;
        var opening = DiskOpenOptions.Default with { Format = format };
        var refused = await Assert.ThrowsAsync<UnsupportedFeatureException>(async () => await DiskStack.OpenAsync(DiskLocation.Parse(_image), opening, Token));
        Assert.Equal(ErrorIds.Luks2ReencryptionUnfinished, refused.ErrorId);
        foreach (DiskOpenOptions open in new[] { opening, DiskOpenOptions.Default })
        {
            ImageDescription shown = await ImageInspector.DescribeAsync(DiskLocation.Parse(_image), open, Token);
            Assert.Equal(format, shown.Format);
            Assert.Equal(mode, shown.Conversion!.Mode);
            Assert.InRange(shown.Conversion.Percent, 1, 99);
            Assert.Equal(ErrorIds.Luks2ReencryptionUnfinished, shown.Unusable!.ErrorId);
        }

        // What the file is, the header of the conversion tells.
        await RunAsync((secret, _) => DiskReencryption.ResumeAsync(Options() with { Format = null }, [secret], null, Token));
        Assert.Equal(_plain, decrypts ? QemuImg.Read(_scratch, Container) : QemuImg.Read(_scratch, Encrypted, Secret(OldPassphrase)));
    }

    [Fact]
    public void Killed_over_and_over_it_comes_to_the_end()
    {
        Make("vhdx", "subformat=dynamic,block_size=1M");
        string whole = _scratch["whole.vhdx"];
        File.Copy(_image, whole);
        string key = _scratch.File("passphrase", System.Text.Encoding.UTF8.GetBytes(OldPassphrase));
        var clock = Stopwatch.StartNew();
        Vmcrypt.Run(Command(whole));
        TimeSpan all = clock.Elapsed;

        var random = new Random(4);
        for (int kill = 0; kill < Kills; kill++)
        {
            Vmcrypt.Kill(all * (0.4 + (0.6 * random.NextDouble())), Command(_image));
            if (Tools.TryRun("qemu-img", ["info", .. Secret(OldPassphrase), "--image-opts", Encrypted]).ExitCode == 0)
            {
                break;
            }
        }

        (int exitCode, string error) = Vmcrypt.TryRun(Command(_image));
        Assert.True(exitCode == 0 || error.Contains(ErrorIds.AlreadyEncrypted, StringComparison.Ordinal), error);
        Assert.Equal(_plain, QemuImg.Read(_scratch, Encrypted, Secret(OldPassphrase)));

        string[] Command(string image) => ["Protect-Image", image, "-Passphrase", $"file:{key}", "-Iterations", "1000", "-Force"];
    }

    private string Container => $"driver={_driver},file.driver=file,file.filename={_image}";

    private string Encrypted => $"driver=luks,key-secret=key,file.driver={_driver},file.file.driver=file,file.file.filename={_image}";

    private string[] Secret(string passphrase) => QemuImg.Secret(_scratch, passphrase);

    private void Make(string driver, string options)
    {
        _driver = driver;
        Tools.Run("qemu-img", "convert", "-f", "raw", "-O", driver, "-o", options, _scratch.File("plain.raw", _plain), _image);
    }

    // Of vpc QEMU has no check.
    private void CheckVhdx()
    {
        if (_driver == "vhdx")
        {
            QemuImg.Check(Container);
        }
    }

    private async Task StopAsync(Func<ReencryptionOptions, SecretBuffer, IProgress<JobProgress>?, CancellationToken, Task> convert)
    {
        using var stop = new CancellationTokenSource();
        var progress = new StopAt(4 * MiB, stop);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => RunAsync((secret, _) => convert(Options(), secret, progress, stop.Token)));
    }

    private static async Task RunAsync(Func<SecretBuffer, SecretBuffer, Task> work)
    {
        using SecretBuffer secret = LuksDisk.Secret(OldPassphrase);
        using SecretBuffer next = LuksDisk.Secret(NewPassphrase);
        await work(secret, next);
    }

    private ReencryptionOptions Options() => new()
    {
        Location = DiskLocation.Parse(_image),
        Format = _driver == "vhdx" ? null : ImageFormat.Vhd,
        Version = LuksVersion.Luks1,
        Encryption = LuksDisk.Quick,
        ZoneLength = MiB,
    };

    private sealed class StopAt(long bytes, CancellationTokenSource stop) : IProgress<JobProgress>
    {
        public void Report(JobProgress value)
        {
            if (value.DoneBytes >= bytes)
            {
                stop.Cancel();
            }
        }
    }
}
