using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Interop.Tests.Luks;

/// <summary>Headers converted by us are headers to cryptsetup and QEMU, also where the conversion was stopped; and the reverse.</summary>
public sealed class HeaderConversionTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly Cryptsetup _cryptsetup;
    private readonly QemuLuks _qemu;

    public HeaderConversionTests()
    {
        _cryptsetup = new Cryptsetup(_scratch);
        _qemu = new QemuLuks(_scratch);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, int, string> Ciphers => new()
    {
        { "aes-xts-plain64", 512, "sha256" },
        { "aes-xts-plain64", 256, "sha512" },
        { "aes-cbc-essiv:sha256", 128, "sha1" },
        { "aes-cbc-plain", 192, "ripemd160" },
    };

    [Theory]
    [MemberData(nameof(Ciphers))]
    public async Task Cryptsetup_opens_what_we_convert_there_and_back(string cipher, int keyBits, string hash)
    {
        LuksDisk disk = _cryptsetup.Format(cipher, keyBits, hash);
        _cryptsetup.AddKey(disk, LuksDisk.Passphrase, "second");
        byte[] key = _cryptsetup.VolumeKey(disk);
        byte[] payload = Payload(disk);

        await ConvertAsync(disk);

        Assert.Contains("Version:       \t2", _cryptsetup.Dump(disk), StringComparison.Ordinal);
        AssertOpens(disk, key);
        Assert.Equal(payload, Payload(disk));
        await ConvertAsync(disk);
        Assert.Contains("Version:       \t1", _cryptsetup.Dump(disk), StringComparison.Ordinal);
        AssertOpens(disk, key);
        Assert.Equal(payload, Payload(disk));
    }

    [Theory]
    [MemberData(nameof(Ciphers))]
    public async Task We_open_and_convert_back_what_cryptsetup_converts(string cipher, int keyBits, string hash)
    {
        LuksDisk disk = _cryptsetup.Format(cipher, keyBits, hash);
        byte[] key = _cryptsetup.VolumeKey(disk);

        Tools.Run("cryptsetup", "convert", "-q", "--type", "luks2", disk.Path);

        Assert.Equal(key, await disk.VolumeKeyAsync());
        await ConvertAsync(disk);
        Assert.Equal(key, await disk.VolumeKeyAsync());
        Assert.Equal(key, _cryptsetup.VolumeKey(disk));
    }

    [Fact]
    public async Task QEMUs_headers_convert_which_cryptsetup_refuses()
    {
        string path = _scratch["qemu.luks"];
        QemuImg.Create([.. QemuImg.Secret(_scratch, LuksDisk.Passphrase), "-f", "luks", "-o", "key-secret=key,iter-time=10", path, "1M"]);
        var disk = new LuksDisk(path);
        byte[] key = _cryptsetup.VolumeKey(disk);
        Assert.NotEqual(0, Tools.TryRun("cryptsetup", "convert", "-q", "--type", "luks2", path).ExitCode);

        await ConvertAsync(disk);

        Assert.Equal(key, _cryptsetup.VolumeKey(disk));
        await ConvertAsync(disk);
        Assert.Equal(key, _cryptsetup.VolumeKey(disk));
        Assert.True(_qemu.Opens(disk, LuksDisk.Passphrase));
    }

    [Fact]
    public async Task A_LUKS2_disk_with_little_sectors_becomes_one_for_QEMU()
    {
        LuksDisk disk = _cryptsetup.FormatLuks2("--sector-size", "512");
        _cryptsetup.AddKey(disk, LuksDisk.Passphrase, "second");

        await ConvertAsync(disk);

        Assert.True(_qemu.Opens(disk, LuksDisk.Passphrase));
        Assert.True(_qemu.Opens(disk, "second"));
        Assert.True(_cryptsetup.Opens(disk, "second"));
    }

    /// <summary>What cryptsetup refuses is refused here, and the reverse save for room.</summary>
    [Theory]
    [InlineData(true, "--sector-size", "512")]
    [InlineData(false, "--sector-size", "4096")]
    [InlineData(false, "--sector-size", "512", "--pbkdf", "argon2id", "--pbkdf-force-iterations", "4", "--pbkdf-memory", "32", "--pbkdf-parallel", "1")]
    [InlineData(false, "--sector-size", "512", "--key-slot", "9")]
    [InlineData(false, "--sector-size", "512", "--keyslot-cipher", "aes-cbc-plain64", "--keyslot-key-size", "256")]
    public async Task The_verdict_is_cryptsetups(bool converts, params string[] options)
    {
        LuksDisk disk = _cryptsetup.FormatLuks2(options);
        byte[] before = File.ReadAllBytes(disk.Path);

        bool ours = true;
        try
        {
            await (await disk.OpenAsync()).PlanConversionAsync(Token);
        }
        catch (RefusedException refusal)
        {
            Assert.StartsWith("Conversion", refusal.ErrorId, StringComparison.Ordinal);
            ours = false;
        }

        Assert.Equal(before, File.ReadAllBytes(disk.Path));
        Assert.Equal((converts, converts), (ours, Tools.TryRun("cryptsetup", "convert", "-q", "--type", "luks1", disk.Path).ExitCode == 0));
    }

    [Theory]
    [InlineData(LuksVersion.Luks1)]
    [InlineData(LuksVersion.Luks2)]
    public async Task Cryptsetup_opens_what_a_stopped_conversion_leaves_after_every_write(LuksVersion version)
    {
        LuksDisk disk = version == LuksVersion.Luks1 ? _cryptsetup.Format("aes-cbc-plain64", 128, "sha256") : _cryptsetup.FormatLuks2("--sector-size", "512");
        DiskHistory history = await DiskHistory.RecordAsync(File.ReadAllBytes(disk.Path), device => ConvertAsync(device));

        for (int count = 0; count <= history.Count; count++)
        {
            File.WriteAllBytes(disk.Path, history.After(count).ToArray());
            Assert.True(_cryptsetup.Opens(disk, LuksDisk.Passphrase), $"after {count} of {history.Count} effects");
        }
    }

    public void Dispose() => _scratch.Dispose();

    private void AssertOpens(LuksDisk disk, byte[] key)
    {
        Assert.True(_cryptsetup.Opens(disk, "second"));
        Assert.Equal(key, _cryptsetup.VolumeKey(disk));
    }

    private static byte[] Payload(LuksDisk disk) => File.ReadAllBytes(disk.Path)[^LuksDisk.PayloadLength..];

    private static async Task ConvertAsync(LuksDisk disk)
    {
        var device = new MemoryDevice(File.ReadAllBytes(disk.Path));
        await ConvertAsync(device);
        File.WriteAllBytes(disk.Path, device.ToArray());
    }

    private static async Task ConvertAsync(IBlockDevice device)
    {
        LuksHeader header = await LuksHeader.OpenAsync(device, LuksOpenOptions.Default, Token);
        await (await header.PlanConversionAsync(Token)).RunAsync(Token);
    }
}
