using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Luks;

namespace VmCrypt.Interop.Tests.Luks;

public sealed class QemuLuksTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly QemuLuks _qemu;

    public QemuLuksTests() => _qemu = new QemuLuks(_scratch);

    /// <summary>Every cipher, key size, mode and IV generator that QEMU has, and every hash.</summary>
    public static TheoryData<string, int, HashKind> Ciphers
    {
        get
        {
            var data = new TheoryData<string, int, HashKind>();
            string[] ivs = ["plain", "plain64", "essiv:sha256"];
            foreach (string cipher in new[] { "aes", "twofish", "serpent" })
            {
                foreach (string iv in ivs)
                {
                    data.AddRange([.. new[] { 32, 48, 64 }.Select(size => ($"{cipher}-xts-{iv}", size, HashKind.Sha256))]);
                    data.AddRange([.. from mode in new[] { "cbc", "ctr", "ecb" } from size in new[] { 16, 32 }
                        select ($"{cipher}-{mode}-{iv}", size, HashKind.Sha256)]);
                }
            }

            data.AddRange([.. from mode in new[] { "cbc", "ctr", "ecb" } from iv in ivs[..2] select ($"cast5-{mode}-{iv}", 16, HashKind.Sha256)]);
            data.AddRange([.. Enum.GetValues<HashKind>().Where(hash => hash is not (HashKind.Whirlpool or HashKind.Sha256))
                .Select(hash => ("aes-xts-plain64", 64, hash))]);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Ciphers))]
    public async Task QEMU_reads_what_we_write_and_we_read_what_it_writes(string cipher, int keySize, HashKind hash)
    {
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.Quick with { Cipher = CipherSpec.Parse(cipher), KeySize = keySize, Hash = hash });
        byte[] ours = [.. Enumerable.Repeat((byte)0x11, 3 * 512), .. Enumerable.Repeat((byte)0x22, 5 * 512)];
        await disk.WritePayloadAsync(ours);

        _qemu.Io(disk, LuksDisk.Passphrase, "read -P 0x11 0 1536", "read -P 0x22 1536 2560", "write -P 0x33 4096 512", "write -P 0x44 60k 4k");

        byte[] plain = await disk.ReadPayloadAsync();
        Assert.Equal(ours, plain[..4096]);
        Assert.Equal([.. Enumerable.Repeat((byte)0x33, 512)], plain[4096..4608]);
        Assert.Equal([.. Enumerable.Repeat((byte)0x44, 4096)], plain[^4096..]);
    }

    /// <summary>Few, for each takes QEMU seconds; together they have every cipher, mode, IV generator and hash.</summary>
    [Theory]
    [InlineData("cipher-alg=aes-256,cipher-mode=xts,ivgen-alg=plain64,hash-alg=sha256", "aes-xts-plain64", 64, 4040)]
    [InlineData("cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=sha1", "aes-cbc-essiv:sha256", 16, 1032)]
    [InlineData("cipher-alg=aes-192,cipher-mode=xts,ivgen-alg=plain,hash-alg=sha512", "aes-xts-plain", 48, 3016)]
    [InlineData("cipher-alg=twofish-256,cipher-mode=cbc,ivgen-alg=plain64,hash-alg=sha224", "twofish-cbc-plain64", 32, 2056)]
    [InlineData("cipher-alg=serpent-128,cipher-mode=ctr,ivgen-alg=plain64,hash-alg=ripemd160", "serpent-ctr-plain64", 16, 1032)]
    [InlineData("cipher-alg=cast5-128,cipher-mode=cbc,ivgen-alg=plain,hash-alg=sha384", "cast5-cbc-plain", 16, 1032)]
    [InlineData("cipher-alg=serpent-256,cipher-mode=ecb,ivgen-alg=plain64", "serpent-ecb-plain64", 32, 2056)]
    public async Task We_read_what_QEMU_makes(string options, string cipher, int keySize, int payloadSector)
    {
        LuksDisk disk = _qemu.Create(options);
        _qemu.Io(disk, LuksDisk.Passphrase, "write -P 0x5a 0 512", "write -P 0xa5 512 512", "write -P 0x77 1k 63k");

        LuksHeader header = await disk.OpenAsync();

        Assert.Equal((cipher, keySize, payloadSector * 512L), (header.Payload.Cipher.ToString(), header.Payload.KeySize, header.Payload.Offset));
        Assert.Equal(_qemu.Plain(disk, LuksDisk.Passphrase), await disk.ReadPayloadAsync());
        Assert.Equal([0x5a, 0xa5, 0x77], new[] { 0, 512, 1024 }.Select((await disk.ReadPayloadAsync()).ElementAt));
    }

    [Fact]
    public async Task A_qcow2_file_embeds_a_header_like_ours()
    {
        string path = _scratch["disk.qcow2"];
        string secret = _scratch.File("secret", "correct horse"u8);
        Tools.RunQemuImg("create", "-q", "-f", "qcow2", "--object", $"secret,id=s,file={secret}",
            "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", path, "1M");
        byte[] file = File.ReadAllBytes(path);
        int offset = Enumerable.Range(0, file.Length / 65536).Select(cluster => cluster * 65536)
            .First(at => LuksHeader.Probe(file.AsSpan(at, 8)) is not null);
        await using var area = new SubDevice(new MemoryDevice(file), offset, 4040 * 512, ownsInner: true);

        LuksHeader theirs = await LuksHeader.OpenAsync(
            area, new LuksOpenOptions { Placement = LuksPlacement.Embedded }, TestContext.Current.CancellationToken);

        using SecretBuffer passphrase = LuksDisk.Secret(LuksDisk.Passphrase);
        Unlocked unlocked = await theirs.UnlockAsync(passphrase, null, TestContext.Current.CancellationToken);
        unlocked.Key.Dispose();
        LuksDisk ours = await LuksDisk.FormatAsync(_scratch, LuksDisk.Quick with { Placement = LuksPlacement.Embedded });
        Assert.Equal(theirs.Payload, (await ours.OpenAsync(LuksPlacement.Embedded)).Payload);
    }

    [Fact]
    public async Task Slots_made_and_removed_in_turns_open_with_everybody()
    {
        var cryptsetup = new Cryptsetup(_scratch);
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.Quick, "ours 0");
        await disk.WritePayloadAsync(Enumerable.Repeat((byte)0x42, LuksDisk.PayloadLength).ToArray(), "ours 0");

        _qemu.AddKey(disk, "ours 0", "qemu 1");
        cryptsetup.AddKey(disk, "qemu 1", "cryptsetup 2");
        Assert.Equal(3, await disk.AddAsync("cryptsetup 2", "ours 3"));
        await EverybodyOpensAsync("ours 0", "qemu 1", "cryptsetup 2", "ours 3");

        await disk.RemoveAsync("qemu 1");
        cryptsetup.ChangeKey(disk, "cryptsetup 2", "cryptsetup 1");
        _qemu.EraseSlot(disk, "ours 3", 0);
        await EverybodyOpensAsync("cryptsetup 1", "ours 3");
        await NobodyOpensAsync("ours 0", "qemu 1", "cryptsetup 2");

        Assert.Equal(0, await disk.ReplaceAsync("ours 3", "ours 0 again"));
        cryptsetup.KillSlot(disk, 1, "ours 0 again");
        _qemu.AddKey(disk, "ours 0 again", "qemu 1 again");
        await EverybodyOpensAsync("ours 0 again", "qemu 1 again");
        await NobodyOpensAsync("cryptsetup 1", "ours 3");

        async Task EverybodyOpensAsync(params string[] passphrases)
        {
            foreach (string passphrase in passphrases)
            {
                Assert.True(cryptsetup.Opens(disk, passphrase), passphrase);
                _qemu.Io(disk, passphrase, $"read -P 0x42 0 {LuksDisk.PayloadLength}");
                Assert.All(await disk.ReadPayloadAsync(passphrase), value => Assert.Equal(0x42, value));
            }

            Assert.Equal(passphrases.Length, (await disk.OpenAsync()).Slots.Count(slot => slot.IsActive));
        }

        async Task NobodyOpensAsync(params string[] passphrases)
        {
            foreach (string passphrase in passphrases)
            {
                Assert.False(cryptsetup.Opens(disk, passphrase), passphrase);
                Assert.False(_qemu.Opens(disk, passphrase), passphrase);
                Assert.Null(await disk.SlotOfAsync(passphrase));
            }
        }
    }

    public void Dispose() => _scratch.Dispose();
}
