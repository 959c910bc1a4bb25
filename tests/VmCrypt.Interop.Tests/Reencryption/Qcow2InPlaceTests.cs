using System.Security.Cryptography;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Stack;
using VmCrypt.Interop.Tests.Luks;

namespace VmCrypt.Interop.Tests.Reencryption;

/// <summary>Images made by qemu-img, converted by us, read and checked by qemu-img, and refused by it in between.</summary>
public sealed class Qcow2InPlaceTests : IDisposable
{
    private const string OldPassphrase = "correct horse";
    private const string NewPassphrase = "battery staple";
    private const int MiB = 1 << 20;

    private readonly Scratch _scratch = new();
    private readonly string _image;
    private (bool Is, string Passphrase) _encrypted = (true, OldPassphrase);

    public Qcow2InPlaceTests()
    {
        Tools.Require("qemu-img");
        _image = _scratch["disk.qcow2"];
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("cluster_size=64k")]
    [InlineData("cluster_size=512")]
    [InlineData("cluster_size=2M")]
    [InlineData("extended_l2=on")]
    [InlineData("lazy_refcounts=on")]
    [InlineData("refcount_bits=1")]
    [InlineData("refcount_bits=64,preallocation=metadata")]
    [InlineData("preallocation=falloc")]
    public async Task Each_conversion_leaves_the_guests_bytes_and_clean_tables(string options)
    {
        Make("-o", options);
        byte[] plain = QemuImg.Read(_scratch, Options(encrypted: false));

        await ConvertThereAndBackAsync(() =>
        {
            Assert.Equal(SHA256.HashData(plain), HashOf(null));
        });
    }

    [Theory]
    [InlineData("zlib")]
    [InlineData("zstd")]
    public async Task Compressed_clusters_are_unpacked_so_that_they_are_encrypted(string compression)
    {
        byte[] text = [.. Enumerable.Range(0, 9 * MiB).Select(at => (byte)"a marker that deflates well "[at % 28])];
        string source = _scratch.File("source.raw", text);
        Tools.Run("qemu-img", "convert", "-c", "-O", "qcow2", "-o", $"compression_type={compression}", source, _image);

        await RunAsync((secret, _) => DiskReencryption.ProtectAsync(Options(), secret, null, Token));

        Assert.Equal(text, QemuImg.Read(_scratch, Options(encrypted: true), Secret(OldPassphrase)));
        QemuImg.Check(Options(encrypted: true), Secret(OldPassphrase));
        Assert.DoesNotContain("compressed\": true", Tools.Run("qemu-img", ["map", "--output=json", .. Secret(OldPassphrase), "--image-opts", Options(encrypted: true)]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Snapshots_are_converted_with_the_disk()
    {
        Make();
        Tools.Run("qemu-img", "snapshot", "-c", "first", _image);
        QemuImg.IO(Options(encrypted: false), [], "write -P 0x77 1M 3M");
        Tools.Run("qemu-img", "snapshot", "-c", "second", _image);
        QemuImg.IO(Options(encrypted: false), [], "write -P 0x78 2M 64k", "discard 6M 1M");
        byte[] disk = HashOf(null, encrypted: false);
        byte[] first = HashOf("first", encrypted: false);
        byte[] second = HashOf("second", encrypted: false);

        await ConvertThereAndBackAsync(() =>
        {
            Assert.Equal(disk, HashOf(null));
            Assert.Equal(first, HashOf("first"));
            Assert.Equal(second, HashOf("second"));
        });
    }

    [Fact]
    public async Task A_backing_file_shows_through_as_before()
    {
        string below = _scratch["below.qcow2"];
        Make();
        File.Move(_image, below);
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", _image);
        QemuImg.IO(Options(encrypted: false), [], "write -P 0x55 512k 1M");
        byte[] plain = HashOf(null, encrypted: false);

        await ConvertThereAndBackAsync(() =>
        {
            Assert.Equal(plain, HashOf(null));
        });
    }

    [Fact]
    public async Task What_was_freed_before_can_be_overwritten()
    {
        QemuImg.Create("-f", "qcow2", _image, "8M");
        QemuImg.IO($"{Options(encrypted: false)},discard=ignore,file.discard=ignore", [], "write -P 0x5a 1M 2M", "write -P 0x11 6M 1M", "write -z -u 1M 2M");
        Assert.True(HasStaleBytes(), "QEMU has given back what it freed");

        await RunAsync((secret, _) => DiskReencryption.ProtectAsync(Options() with { WipeFreed = true }, secret, null, Token));

        Assert.False(HasStaleBytes(), "a freed cluster still has its old bytes");
        QemuImg.Check(Options(encrypted: true), Secret(OldPassphrase));

        bool HasStaleBytes() => File.ReadAllBytes(_image).AsSpan().IndexOf(Enumerable.Repeat((byte)0x5a, 4096).ToArray()) >= 0;
    }

    [Fact]
    public async Task Half_way_QEMU_and_we_refuse_it_by_name_and_say_how_far_it_is()
    {
        Make();
        byte[] plain = HashOf(null, encrypted: false);
        await StopAsync();

        (int exitCode, _, string error) = Tools.TryRun("qemu-img", "info", _image);
        Assert.NotEqual(0, exitCode);
        Assert.Contains("unfinished conversion in place by VmCrypt", error, StringComparison.Ordinal);
        var refused = await Assert.ThrowsAsync<UnsupportedFeatureException>(async () => await DiskStack.OpenAsync(DiskLocation.Parse(_image), DiskOpenOptions.Default, Token));
        Assert.Equal(ErrorIds.Qcow2ConversionUnfinished, refused.ErrorId);
        ImageDescription shown = await ImageInspector.DescribeAsync(DiskLocation.Parse(_image), DiskOpenOptions.Default, Token);
        Assert.Equal(ReencryptionMode.Encrypt, shown.Conversion!.Mode);
        Assert.InRange(shown.Conversion.Percent, 1, 99);
        Assert.Equal(8 * MiB, shown.VirtualSize);

        await RunAsync((secret, _) => DiskReencryption.ResumeAsync(Options(), [secret], null, Token));
        Assert.Equal(plain, HashOf(null));
    }

    [Theory]
    [InlineData(ReencryptionMode.Encrypt)]
    [InlineData(ReencryptionMode.Reencrypt)]
    [InlineData(ReencryptionMode.Decrypt)]
    public async Task After_a_crash_and_a_resumption_QEMU_finds_nothing_wrong(ReencryptionMode mode)
    {
        Make();
        Tools.Run("qemu-img", "snapshot", "-c", "first", _image);
        byte[] plain = HashOf(null, encrypted: false);
        if (mode != ReencryptionMode.Encrypt)
        {
            await RunAsync((secret, _) => DiskReencryption.ProtectAsync(Options(), secret, null, Token));
        }

        File.Copy(_image, _scratch["before"]);
        for (int effects = 6; effects < 64; effects += 9)
        {
            File.Copy(_scratch["before"], _image, overwrite: true);
            if (await CrashAsync(mode, effects))
            {
                await RunAsync((secret, next) => ConvertAsync(mode, secret, next));
            }

            string passphrase = mode == ReencryptionMode.Reencrypt ? NewPassphrase : OldPassphrase;
            Assert.Equal(plain, HashOf(null, mode != ReencryptionMode.Decrypt, passphrase));
            QemuImg.Check(Options(mode != ReencryptionMode.Decrypt), Secret(passphrase));
        }
    }

    [Fact]
    public async Task What_cannot_be_converted_is_refused_and_untouched()
    {
        Make("-o", "compat=0.10");
        await AssertRefusedAsync("qemu-img amend");
        byte[] text = new byte[4 * MiB];
        Tools.Run("qemu-img", "convert", "-c", "-O", "qcow2", _scratch.File("source.raw", text.Select((_, at) => (byte)(at >> 12)).ToArray()), _image);
        Tools.Run("qemu-img", "snapshot", "-c", "first", _image);
        await AssertRefusedAsync("compressed clusters");
        File.Delete(_image);
        Make("-o", $"data_file={_scratch["data.raw"]}");
        await AssertRefusedAsync("another file");
    }

    private async Task ConvertThereAndBackAsync(Action verify)
    {
        await RunAsync((secret, _) => DiskReencryption.ProtectAsync(Options(), secret, null, Token));
        _encrypted = (true, OldPassphrase);
        QemuImg.Check(Options(encrypted: true), Secret(OldPassphrase));
        verify();
        await RunAsync((secret, next) => DiskReencryption.UpdateKeyAsync(Options() with { Resilience = ReencryptionResilience.Journal }, secret, [next], null, Token));
        _encrypted = (true, NewPassphrase);
        QemuImg.Check(Options(encrypted: true), Secret(NewPassphrase));
        verify();
        await RunAsync((_, next) => DiskReencryption.UnprotectAsync(Options(), next, null, Token));
        _encrypted = (false, string.Empty);
        QemuImg.Check(Options(encrypted: false));
        verify();
    }

    private void Make(params string[] options)
    {
        QemuImg.Create(["-f", "qcow2", .. options, _image, "8M"]);
        QemuImg.IO(Options(encrypted: false), [], "write -P 0x11 0 300k", "write -P 0x22 1M 2M", "write -z 2M 128k", "write -P 0x33 5000k 77k", "write -P 0x44 7M 1M");
    }

    /// <summary>True where something is left to do.</summary>
    private async Task<bool> CrashAsync(ReencryptionMode mode, int effects)
    {
        await using FileDevice file = await FileDevice.OpenAsync(_image, LocalDiskOptions.ReadWrite, Token);
        var conversion = new Qcow2Conversion(Options(), new CrashDevice(SubDevice.Tail(file, 0, ownsInner: false), new CrashPlan(effects)));
        await Assert.ThrowsAsync<CrashException>(() => RunAsync((secret, next) => mode switch
        {
            ReencryptionMode.Encrypt => conversion.ProtectAsync(secret, null, Token),
            ReencryptionMode.Reencrypt => conversion.UpdateKeyAsync(secret, [next], null, Token),
            _ => conversion.UnprotectAsync(secret, null, Token),
        }));
        bool isEncrypted = Tools.TryRun("qemu-img", "info", "-U", _image) is { ExitCode: 0, Output: var info } && info.Contains("encrypted: yes", StringComparison.Ordinal);
        return mode != ReencryptionMode.Encrypt || !isEncrypted;
    }

    private Task ConvertAsync(ReencryptionMode mode, SecretBuffer secret, SecretBuffer next) => mode switch
    {
        ReencryptionMode.Encrypt => DiskReencryption.ProtectAsync(Options(), secret, null, Token),
        ReencryptionMode.Reencrypt => DiskReencryption.UpdateKeyAsync(Options(), secret, [next], null, Token),
        _ => DiskReencryption.UnprotectAsync(Options(), secret, null, Token),
    };

    private async Task StopAsync()
    {
        using var stop = new CancellationTokenSource();
        var progress = new StopAt(2 * MiB, stop);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => RunAsync((secret, _) => DiskReencryption.ProtectAsync(Options(), secret, progress, stop.Token)));
    }

    private async Task AssertRefusedAsync(string because)
    {
        byte[] before = await File.ReadAllBytesAsync(_image, Token);
        var refused = await Assert.ThrowsAsync<UnsupportedFeatureException>(() =>
            RunAsync((secret, _) => DiskReencryption.ProtectAsync(Options(), secret, null, Token)));
        Assert.Equal(ErrorIds.InPlaceUnsupported, refused.ErrorId);
        Assert.Contains(because, refused.Message, StringComparison.Ordinal);
        Tools.Run("qemu-img", "check", _image);
    }

    private static async Task RunAsync(Func<SecretBuffer, SecretBuffer, Task> work)
    {
        using SecretBuffer secret = LuksDisk.Secret(OldPassphrase);
        using SecretBuffer next = LuksDisk.Secret(NewPassphrase);
        await work(secret, next);
    }

    private byte[] HashOf(string? snapshot) => HashOf(snapshot, _encrypted.Is, _encrypted.Passphrase);

    private byte[] HashOf(string? snapshot, bool encrypted, string passphrase = OldPassphrase)
    {
        string raw = _scratch[$"plain-{Guid.NewGuid():N}"];
        Tools.Run("qemu-img", ["convert", .. Secret(passphrase), .. snapshot is null ? Array.Empty<string>() : ["-l", snapshot], "--image-opts", Options(encrypted), "-O", "raw", raw]);
        byte[] hash = SHA256.HashData(File.ReadAllBytes(raw));
        File.Delete(raw);
        return hash;
    }

    private string[] Secret(string passphrase) => QemuImg.Secret(_scratch, passphrase);

    private string Options(bool encrypted) => $"driver=qcow2,{(encrypted ? "encrypt.key-secret=key," : string.Empty)}file.driver=file,file.filename={_image}";

    private ReencryptionOptions Options() => new() { Location = DiskLocation.Parse(_image), Encryption = LuksDisk.Quick, ZoneLength = MiB };

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
