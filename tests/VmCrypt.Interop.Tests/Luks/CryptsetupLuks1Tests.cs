using System.Globalization;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Luks;

namespace VmCrypt.Interop.Tests.Luks;

public sealed class CryptsetupLuks1Tests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly Cryptsetup _cryptsetup;

    public CryptsetupLuks1Tests() => _cryptsetup = new Cryptsetup(_scratch);

    /// <summary>What cryptsetup can do in user space; it needs device-mapper for the rest, which the guest tests have.</summary>
    public static TheoryData<string, int, string> Headers => new()
    {
        { "aes-xts-plain64", 512, "sha256" },
        { "aes-xts-plain64", 256, "sha256" },
        { "aes-xts-plain", 512, "sha512" },
        { "aes-xts-essiv:sha256", 512, "sha256" },
        { "aes-cbc-plain", 128, "sha1" },
        { "aes-cbc-plain64", 192, "sha224" },
        { "aes-cbc-plain64", 256, "sha384" },
        { "aes-cbc-plain64be", 256, "sha256" },
        { "aes-cbc-essiv:sha256", 256, "ripemd160" },
        { "aes-cbc-essiv:sha256", 128, "whirlpool" },
        { "aes-ctr-plain64", 256, "sha256" },
        { "aes-ecb", 256, "sha256" },
    };

    [Theory]
    [MemberData(nameof(Headers))]
    public async Task We_open_what_cryptsetup_makes(string cipher, int keyBits, string hash)
    {
        LuksDisk disk = _cryptsetup.Format(cipher, keyBits, hash);

        LuksHeader header = await disk.OpenAsync();

        Assert.Equal((cipher, keyBits / 8, hash), (header.Payload.Cipher.ToString(), header.Payload.KeySize, header.Facts.Hash));
        Assert.Equal(0, await disk.SlotOfAsync(LuksDisk.Passphrase));
        Assert.Null(await disk.SlotOfAsync("wrong"));
        Assert.Equal(_cryptsetup.VolumeKey(disk), await disk.VolumeKeyAsync());
    }

    [Theory]
    [MemberData(nameof(Headers))]
    public async Task Cryptsetup_opens_what_we_make(string cipher, int keyBits, string hash)
    {
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.Quick with
        {
            Cipher = CipherSpec.Parse(cipher),
            KeySize = keyBits / 8,
            Hash = HashKinds.Parse(hash),
            ForQemu = false,
        });

        Assert.True(_cryptsetup.Opens(disk, LuksDisk.Passphrase));
        Assert.False(_cryptsetup.Opens(disk, "wrong"));
        Assert.Equal(await disk.VolumeKeyAsync(), _cryptsetup.VolumeKey(disk));
    }

    [Fact]
    public async Task Both_say_the_same_of_a_header()
    {
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.Quick);
        await disk.AddAsync(LuksDisk.Passphrase, "second", slot: 5);

        LuksHeader header = await disk.OpenAsync();
        Dictionary<string, string> dump = Fields(_cryptsetup.Dump(disk));

        Assert.Equal("aes", dump["Cipher name"]);
        Assert.Equal("xts-plain64", dump["Cipher mode"]);
        Assert.Equal("sha256", dump["Hash spec"]);
        Assert.Equal("4096", dump["Payload offset"]);
        Assert.Equal("512", dump["MK bits"]);
        Assert.Equal(header.Uuid, dump["UUID"]);
        Assert.Equal(header.Facts.DigestIterations.ToString(CultureInfo.InvariantCulture), dump["MK iterations"]);
        Assert.Equal(
            header.Slots.Select(slot => slot.IsActive ? "ENABLED" : "DISABLED"),
            Enumerable.Range(0, 8).Select(slot => dump[$"Key Slot {slot}"]));
    }

    [Theory]
    [InlineData(16, "aes-cbc-plain64")]
    [InlineData(64, "aes-xts-plain64")]
    public async Task A_detached_header_goes_both_ways(int keySize, string cipher)
    {
        LuksDisk ours = await LuksDisk.FormatAsync(_scratch, LuksDisk.Quick with
        {
            Placement = LuksPlacement.Detached,
            Cipher = CipherSpec.Parse(cipher),
            KeySize = keySize,
        });
        string payload = _scratch.File("payload", new byte[65536]);
        Assert.Equal(0, Tools.TryRun("cryptsetup",
            "open", "--test-passphrase", "--header", ours.Path, "--key-file", _cryptsetup.KeyFile(LuksDisk.Passphrase), payload).ExitCode);

        string header = _scratch["theirs.header"];
        Tools.Run("cryptsetup", "luksFormat", "--type", "luks1", "-q", "--pbkdf-force-iterations", "1000", "-c", cipher,
            "-s", (keySize * 8).ToString(), "--header", header, payload, _cryptsetup.KeyFile(LuksDisk.Passphrase));
        var theirs = new LuksDisk(header);
        Assert.Equal(0, (await theirs.OpenAsync(LuksPlacement.Detached)).Payload.Offset);
        Assert.Equal(0, await theirs.SlotOfAsync(LuksDisk.Passphrase, LuksPlacement.Detached));
    }

    [Fact]
    public async Task A_header_backup_is_a_header()
    {
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.Quick);
        var backup = new LuksDisk(_scratch["backup"]);
        Tools.Run("cryptsetup", "luksHeaderBackup", disk.Path, "--header-backup-file", backup.Path);

        Assert.Equal(await disk.VolumeKeyAsync(), await backup.VolumeKeyAsync(placement: LuksPlacement.Detached));

        await disk.ReplaceAsync(LuksDisk.Passphrase, "new");
        Tools.Run("cryptsetup", "luksHeaderRestore", "-q", disk.Path, "--header-backup-file", backup.Path);
        Assert.Equal(0, await disk.SlotOfAsync(LuksDisk.Passphrase));
        Assert.Null(await disk.SlotOfAsync("new"));
    }

    [Theory]
    [InlineData(64, "aes-xts-plain64")]
    [InlineData(32, "aes-cbc-essiv:sha256")]
    [InlineData(16, "aes-cbc-plain64")]
    public async Task Cryptsetup_converts_our_disks_to_LUKS2(int keySize, string cipher)
    {
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.Quick with { Cipher = CipherSpec.Parse(cipher), KeySize = keySize });
        await disk.AddAsync(LuksDisk.Passphrase, "second");
        byte[] key = await disk.VolumeKeyAsync();

        Tools.Run("cryptsetup", "convert", "-q", "--type", "luks2", disk.Path);

        Assert.True(_cryptsetup.Opens(disk, "second"));
        Assert.Equal(key, _cryptsetup.VolumeKey(disk));
    }

    [Fact]
    public async Task Cryptsetup_finds_nothing_to_repair()
    {
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.Quick);
        await disk.AddAsync(LuksDisk.Passphrase, "second");
        await disk.RemoveAsync(LuksDisk.Passphrase);
        byte[] before = File.ReadAllBytes(disk.Path);

        Tools.Run("cryptsetup", "repair", "-q", disk.Path);

        Assert.Equal(before, File.ReadAllBytes(disk.Path));
    }

    [Fact]
    public async Task A_removed_slot_looks_as_if_cryptsetup_had_removed_it()
    {
        LuksDisk ours = await LuksDisk.FormatAsync(_scratch, LuksDisk.Quick);
        await ours.AddAsync(LuksDisk.Passphrase, "second");
        LuksDisk theirs = new(_scratch.File("theirs", File.ReadAllBytes(ours.Path)));

        await ours.RemoveAsync("second");
        _cryptsetup.KillSlot(theirs, 1, LuksDisk.Passphrase);

        Assert.Equal(File.ReadAllBytes(theirs.Path)[..1024], File.ReadAllBytes(ours.Path)[..1024]);
    }

    public void Dispose() => _scratch.Dispose();

    private static Dictionary<string, string> Fields(string dump) => dump.Split('\n')
        .Select(line => line.Split(':', 2))
        .Where(parts => parts.Length == 2 && !parts[0].StartsWith('\t'))
        .ToDictionary(parts => parts[0].Trim(), parts => parts[1].Trim(), StringComparer.Ordinal);
}
