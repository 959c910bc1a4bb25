using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Stack;
using VmCrypt.Interop.Tests.Luks;

namespace VmCrypt.Interop.Tests.Reencryption;

/// <summary>Chains made by qemu-img, converted by us, and opened by it from what their headers name, with a secret per layer.</summary>
public sealed class ChainInPlaceTests : IDisposable
{
    private const string OldPassphrase = "correct horse";
    private const string NewPassphrase = "battery staple";

    private readonly Scratch _scratch = new();
    private readonly string _top;

    public ChainInPlaceTests()
    {
        Tools.Require("qemu-img");
        _top = _scratch["top.qcow2"];
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("raw")]
    [InlineData("qcow2")]
    public async Task Each_conversion_leaves_a_chain_that_QEMU_opens_with_a_secret_for_each_layer(string baseFormat)
    {
        Make(baseFormat);
        byte[] plain = QemuImg.Read(_scratch, $"driver=qcow2,file.filename={_top}");
        string baseKey = baseFormat == "raw" ? "key-secret" : "encrypt.key-secret";
        using SecretBuffer old = LuksDisk.Secret(OldPassphrase);
        using SecretBuffer next = LuksDisk.Secret(NewPassphrase);

        await ChainReencryption.ProtectAsync(Options(), old, null, Token);
        Assert.Equal(plain, Read(OldPassphrase));

        using (var keys = new DiskKeys(old.Copy()))
        {
            await ChainReencryption.UpdateKeyAsync(Options(), keys, [next], null, Token);
        }

        Assert.Equal(plain, Read(NewPassphrase));

        using (var keys = new DiskKeys(next.Copy()))
        {
            await ChainReencryption.UnprotectAsync(Options(), keys, null, Token);
        }

        Assert.Equal(plain, QemuImg.Read(_scratch, $"driver=qcow2,file.filename={_top}"));
        Assert.Equal(plain.Length, baseFormat == "raw" ? new FileInfo(_scratch["base"]).Length : plain.Length);

        byte[] Read(string passphrase)
        {
            string[] secrets =
            [
                .. QemuImg.Secret(_scratch, passphrase, "top"), .. QemuImg.Secret(_scratch, passphrase, "middle"), .. QemuImg.Secret(_scratch, passphrase, "base"),
            ];
            QemuImg.Check($"driver=qcow2,file.filename={_top},encrypt.key-secret=top,backing.encrypt.key-secret=middle,backing.backing.{baseKey}=base", secrets);
            return QemuImg.Read(_scratch, $"driver=qcow2,file.filename={_top},encrypt.key-secret=top,backing.encrypt.key-secret=middle,backing.backing.{baseKey}=base", secrets);
        }
    }

    [Fact]
    public async Task Half_way_QEMU_opens_the_chain_by_the_keys_of_the_layers_that_are_done()
    {
        Make("raw");
        byte[] plain = QemuImg.Read(_scratch, $"driver=qcow2,file.filename={_top}");
        using SecretBuffer secret = LuksDisk.Secret(OldPassphrase);
        using var stop = new CancellationTokenSource();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ChainReencryption.ProtectAsync(Options(), secret, new StopAfterBase(stop), stop.Token));
        await DiskReencryption.ResumeAsync(new ReencryptionOptions { Location = DiskLocation.Parse(_scratch["base"]) }, [secret], null, Token);

        Assert.Equal(plain, QemuImg.Read(_scratch, $"driver=qcow2,file.filename={_top},backing.backing.key-secret=key", QemuImg.Secret(_scratch, OldPassphrase)));
        await ChainReencryption.ResumeAsync(new ChainOptions { Layers = new ReencryptionOptions { Location = DiskLocation.Parse(_top) } }, [secret], null, Token);
        ImageDescription done = await ImageInspector.DescribeAsync(DiskLocation.Parse(_top), DiskOpenOptions.Default, Token);
        Assert.True(done is { Chain: null, IsEncrypted: true, Backing: { IsEncrypted: true, Backing.IsEncrypted: true } });
    }

    [Fact]
    public async Task Compressed_clusters_with_snapshots_in_one_layer_keep_all_of_them_as_they_are()
    {
        Make("raw");
        string middle = _scratch["middle.qcow2"];
        Tools.Run("qemu-io", "-f", "qcow2", "-c", "write -c 4M 64k", middle);
        Tools.Run("qemu-img", "snapshot", "-c", "first", middle);
        byte[] disk = await File.ReadAllBytesAsync(_scratch["base"], Token);
        using SecretBuffer secret = LuksDisk.Secret(OldPassphrase);

        var refused = await Assert.ThrowsAsync<UnsupportedFeatureException>(() => ChainReencryption.ProtectAsync(Options(), secret, null, Token));

        Assert.Equal(ErrorIds.InPlaceUnsupported, refused.ErrorId);
        Assert.Contains(middle, refused.Message, StringComparison.Ordinal);
        Assert.Equal(disk, await File.ReadAllBytesAsync(_scratch["base"], Token));
    }

    private ChainOptions Options() =>
        new() { Layers = new ReencryptionOptions { Location = DiskLocation.Parse(_top), Encryption = LuksDisk.Quick, ZoneLength = 1 << 20 } };

    private void Make(string baseFormat)
    {
        string below = _scratch["base"];
        string middle = _scratch["middle.qcow2"];
        QemuImg.Create("-f", baseFormat, below, "8M");
        QemuImg.IO($"driver={baseFormat},file.filename={below}", [], "write -P 0x11 0 3M", "write -P 0x12 5M 1M");
        QemuImg.Create("-f", "qcow2", "-b", "base", "-F", baseFormat, middle);
        QemuImg.IO($"driver=qcow2,file.filename={middle}", [], "write -P 0x21 1M 100k", "write -z 2M 128k");
        QemuImg.Create("-f", "qcow2", "-b", "middle.qcow2", "-F", "qcow2", _top);
        QemuImg.IO($"driver=qcow2,file.filename={_top}", [], "write -P 0x31 1056k 1M", "write -P 0x32 7M 3k");
    }

    private sealed class StopAfterBase(CancellationTokenSource stop) : IProgress<JobProgress>
    {
        public void Report(JobProgress value)
        {
            if (value.Detail!.StartsWith("layer 1 of 3", StringComparison.Ordinal) && value.DoneBytes == value.TotalBytes)
            {
                stop.Cancel();
            }
        }
    }
}
