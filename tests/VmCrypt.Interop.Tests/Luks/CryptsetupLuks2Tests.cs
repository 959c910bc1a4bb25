using System.Text.Json.Nodes;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Luks;

namespace VmCrypt.Interop.Tests.Luks;

public sealed class CryptsetupLuks2Tests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly Cryptsetup _cryptsetup;

    public CryptsetupLuks2Tests() => _cryptsetup = new Cryptsetup(_scratch);

    /// <summary>What cryptsetup can do in user space; it needs device-mapper for the rest, which the guest tests have.</summary>
    public static TheoryData<string, int, string, int> Headers => new()
    {
        { "aes-xts-plain64", 512, "sha256", 4096 },
        { "aes-xts-plain64", 256, "sha512", 512 },
        { "aes-xts-plain", 512, "sha1", 1024 },
        { "aes-xts-essiv:sha256", 512, "sha384", 2048 },
        { "aes-cbc-plain64", 192, "sha224", 4096 },
        { "aes-cbc-plain64be", 256, "ripemd160", 512 },
        { "aes-cbc-essiv:sha256", 128, "whirlpool", 4096 },
        { "aes-ctr-plain64", 256, "sha256", 512 },
    };

    public static TheoryData<int> HeaderSizes => [0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000, 0x100000, 0x200000, 0x400000];

    [Theory]
    [MemberData(nameof(Headers))]
    public async Task We_open_what_cryptsetup_makes(string cipher, int keyBits, string hash, int sectorSize)
    {
        LuksDisk disk = _cryptsetup.FormatLuks2("-c", cipher, "-s", keyBits.ToString(), "-h", hash, "--sector-size", sectorSize.ToString());

        LuksHeader header = await disk.OpenAsync();

        Assert.Equal(
            (cipher, keyBits / 8, hash, sectorSize),
            (header.Payload.Cipher.ToString(), header.Payload.KeySize, header.Facts.Hash, header.Payload.SectorSize));
        Assert.Equal(0, await disk.SlotOfAsync(LuksDisk.Passphrase));
        Assert.Null(await disk.SlotOfAsync("wrong"));
        Assert.Equal(_cryptsetup.VolumeKey(disk), await disk.VolumeKeyAsync());
    }

    [Theory]
    [MemberData(nameof(Headers))]
    public async Task Cryptsetup_opens_what_we_make(string cipher, int keyBits, string hash, int sectorSize)
    {
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.QuickLuks2 with
        {
            Cipher = CipherSpec.Parse(cipher),
            KeySize = keyBits / 8,
            Hash = HashKinds.Parse(hash),
            SectorSize = sectorSize,
        });

        Assert.True(_cryptsetup.Opens(disk, LuksDisk.Passphrase));
        Assert.False(_cryptsetup.Opens(disk, "wrong"));
        Assert.Equal(await disk.VolumeKeyAsync(), _cryptsetup.VolumeKey(disk));
    }

    [Theory]
    [InlineData(KdfKind.Argon2i, 32, 1)]
    [InlineData(KdfKind.Argon2i, 1021, 3)]
    [InlineData(KdfKind.Argon2id, 32, 1)]
    [InlineData(KdfKind.Argon2id, 65536, 4)]
    public async Task Argon2_goes_both_ways(KdfKind kind, int memoryKiB, int lanes)
    {
        string[] options = Cryptsetup.QuickArgon2(kind.ToString().ToLowerInvariant(), memoryKiB, lanes);
        LuksDisk theirs = _cryptsetup.FormatLuks2(options);
        Assert.Equal(_cryptsetup.VolumeKey(theirs), await theirs.VolumeKeyAsync());
        Assert.Null(await theirs.SlotOfAsync("wrong"));

        LuksDisk ours = await LuksDisk.FormatAsync(_scratch, LuksDisk.QuickLuks2 with { Cost = KdfCost.OfArgon2(kind, 4, memoryKiB, lanes) });
        Assert.Equal(await ours.VolumeKeyAsync(), _cryptsetup.VolumeKey(ours));
        Assert.False(_cryptsetup.Opens(ours, "wrong"));
    }

    [Theory]
    [MemberData(nameof(HeaderSizes))]
    public async Task Each_size_of_the_header_goes_both_ways(int size)
    {
        LuksDisk theirs = _cryptsetup.FormatLuks2("--luks2-metadata-size", size.ToString(), "--luks2-keyslots-size", "1m");
        Assert.Equal(_cryptsetup.VolumeKey(theirs), await theirs.VolumeKeyAsync());
        Assert.Equal(1, await theirs.AddAsync(LuksDisk.Passphrase, "second"));
        Assert.True(_cryptsetup.Opens(theirs, "second"));

        LuksDisk ours = await LuksDisk.FormatAsync(_scratch, LuksDisk.QuickLuks2 with { MetadataSize = size });
        Assert.Equal(await ours.VolumeKeyAsync(), _cryptsetup.VolumeKey(ours));
        _cryptsetup.AddKey(ours, LuksDisk.Passphrase, "second");
        Assert.Equal(1, await ours.SlotOfAsync("second"));
    }

    [Fact]
    public async Task A_header_made_with_the_defaults_has_the_same_metadata_but_for_its_salts()
    {
        LuksDisk ours = await LuksDisk.FormatAsync(_scratch, LuksDisk.Quick with { Version = LuksVersion.Luks2 });
        LuksDisk theirs = _cryptsetup.FormatLuks2();

        Assert.Equal(Unsalted(_cryptsetup.Json(theirs)), Unsalted(_cryptsetup.Json(ours)));

        static string Unsalted(JsonNode json)
        {
            json["keyslots"]!["0"]!["kdf"]!["salt"] = "";
            json["digests"]!["0"]!["salt"] = "";
            json["digests"]!["0"]!["digest"] = "";
            return json.ToJsonString();
        }
    }

    [Fact]
    public async Task Slots_changed_in_turns_open_with_both()
    {
        LuksDisk disk = _cryptsetup.FormatLuks2("--luks2-keyslots-size", "2m");
        await disk.AddAsync(LuksDisk.Passphrase, "ours 1");
        _cryptsetup.AddKey(disk, "ours 1", "cryptsetup 2");
        await disk.AddAsync("cryptsetup 2", "ours 5", slot: 5);
        _cryptsetup.KillSlot(disk, 1, "ours 5");
        Assert.Equal(0, await disk.ReplaceAsync(LuksDisk.Passphrase, "ours 0 again"));
        _cryptsetup.ChangeKey(disk, "ours 5", "cryptsetup 5 again");
        await disk.RemoveAsync("cryptsetup 2");
        _cryptsetup.AddKey(disk, "ours 0 again", "cryptsetup 1");

        byte[] key = _cryptsetup.VolumeKey(disk, "ours 0 again");
        foreach (string passphrase in new[] { "ours 0 again", "cryptsetup 5 again", "cryptsetup 1" })
        {
            Assert.True(_cryptsetup.Opens(disk, passphrase), passphrase);
            Assert.Equal(key, await disk.VolumeKeyAsync(passphrase));
        }

        foreach (string passphrase in new[] { LuksDisk.Passphrase, "ours 1", "cryptsetup 2", "ours 5" })
        {
            Assert.False(_cryptsetup.Opens(disk, passphrase), passphrase);
            Assert.Null(await disk.SlotOfAsync(passphrase));
        }
    }

    public void Dispose() => _scratch.Dispose();
}
