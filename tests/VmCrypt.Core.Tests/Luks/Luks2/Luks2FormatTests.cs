using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Luks.Luks2;

namespace VmCrypt.Core.Tests.Luks.Luks2;

public sealed class Luks2FormatTests
{
    [Fact]
    public async Task A_new_header_opens_with_its_passphrase()
    {
        (MemoryDevice device, _, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);

        LuksHeader header = await Sample.OpenAsync(device);
        Unlocked unlocked = await header.UnlockAsync(Sample.Passphrase);

        Assert.Equal((LuksVersion.Luks2, 0), (header.Version, unlocked.Slot));
        Assert.Equal(key.Span, unlocked.Key.Span);
        await Assert.ThrowsAsync<WrongKeyException>(() => header.UnlockAsync("wrong"));
    }

    [Fact]
    public async Task Says_what_the_header_says()
    {
        Guid uuid = Guid.NewGuid();
        LuksFormatOptions options = Sample.Luks2Options with { Uuid = uuid, Label = "Büro", Subsystem = "vms", SectorSize = 2048 };
        (MemoryDevice device, _, _) = await Sample.FormatAsync(options);

        LuksFacts facts = (await Sample.OpenAsync(device)).Facts;

        Assert.Equal((uuid.ToString(), "aes-xts-plain64", 64L, "sha256"), (facts.Uuid, facts.Cipher, facts.KeySize, facts.Hash));
        Assert.Equal(("Büro", "vms", 1UL), (facts.Label, facts.Subsystem, facts.Epoch));
        Assert.Equal((32768 + (5 * 258048), 2048), (facts.PayloadOffset, facts.SectorSize));
        KeySlotFacts slot = Assert.Single(facts.Slots);
        Assert.Equal(
            (0, true, "pbkdf2", 1000L, 4000L, 32768L, 258048L, KeySlotPriority.Normal, true),
            (slot.Number, slot.IsActive, slot.Kdf, slot.Iterations, slot.Stripes, slot.AreaOffset, slot.AreaLength, slot.Priority, slot.IsBound));
        Assert.Null(facts.Unusable);
        Assert.Null(facts.DamagedCopy);
    }

    [Fact]
    public async Task The_defaults_are_cryptsetups()
    {
        LuksFormatOptions options = LuksFormatOptions.Default with { Version = LuksVersion.Luks2, Cost = Sample.Options.Cost };

        (MemoryDevice device, LuksHeader header, _) = await Sample.FormatAsync(options);

        Assert.Equal(16 << 20, options.HeaderLength);
        Assert.Equal((16 << 20, 4096, 16 << 20), (header.Payload.Offset, header.Payload.SectorSize, header.HeaderLength));
        string json = Encoding.UTF8.GetString(device.ToArray().AsSpan(4096, 12288)).TrimEnd('\0');
        Assert.Contains("\"config\":{\"json_size\":\"12288\",\"keyslots_size\":\"16744448\"}", json, StringComparison.Ordinal);
        Assert.Contains("\"segments\":{\"0\":{\"type\":\"crypt\",\"offset\":\"16777216\",\"size\":\"dynamic\",\"iv_tweak\":\"0\",\"encryption\":\"aes-xts-plain64\",\"sector_size\":4096}}", json, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0x4000)]
    [InlineData(0x8000)]
    [InlineData(0x10000)]
    [InlineData(0x20000)]
    [InlineData(0x40000)]
    [InlineData(0x80000)]
    [InlineData(0x100000)]
    [InlineData(0x200000)]
    [InlineData(0x400000)]
    public async Task Each_size_of_the_header_can_be_made(int size)
    {
        (MemoryDevice device, _, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options with { MetadataSize = size });

        LuksHeader header = await Sample.OpenAsync(device);

        Assert.Equal((2 * size) + (5 * 258048), header.HeaderLength);
        Unlocked unlocked = await header.UnlockAsync(Sample.Passphrase);
        Assert.Equal(key.Span, unlocked.Key.Span);
        var second = await Luks2Copy.ReadAsync(device, size, Sample.Token);
        Assert.True(second.Binary.IsSecondary);
    }

    [Fact]
    public async Task The_copies_differ_in_their_salt()
    {
        (MemoryDevice device, _, _) = await Sample.FormatAsync(Sample.Luks2Options);

        var first = await Luks2Copy.ReadAsync(device, 0, Sample.Token);
        var second = await Luks2Copy.ReadAsync(device, 16384, Sample.Token);

        Assert.NotEqual(first.Binary.Salt, second.Binary.Salt);
        Assert.Equal(first.ToBytes()[4096..], second.ToBytes()[4096..]);
    }

    [Theory]
    [InlineData("aes-xts-plain64", 32)]
    [InlineData("aes-cbc-essiv:sha256", 32)]
    [InlineData("aes-cbc-plain64", 24)]
    [InlineData("twofish-xts-plain64", 64)]
    [InlineData("aes-xts-plain64be", 64)]
    public async Task Ciphers_and_key_sizes_go_round(string cipher, int keySize)
    {
        LuksFormatOptions options = Sample.Luks2Options with { Cipher = CipherSpec.Parse(cipher), KeySize = keySize };

        (MemoryDevice device, _, VolumeKey key) = await Sample.FormatAsync(options);

        LuksHeader header = await Sample.OpenAsync(device);
        Assert.Equal((cipher, keySize), (header.Payload.Cipher.ToString(), header.Payload.KeySize));
        Unlocked unlocked = await header.UnlockAsync(Sample.Passphrase);
        Assert.Equal(key.Span, unlocked.Key.Span);
    }

    [Theory]
    [InlineData(512)]
    [InlineData(1024)]
    [InlineData(2048)]
    [InlineData(4096)]
    public async Task Each_sector_size_can_be_made(int size)
    {
        (MemoryDevice device, _, _) = await Sample.FormatAsync(Sample.Luks2Options with { SectorSize = size });

        Assert.Equal(size, (await Sample.OpenAsync(device)).Payload.SectorSize);
    }

    [Fact]
    public async Task A_detached_header_has_its_payload_at_byte_0_elsewhere()
    {
        (MemoryDevice device, _, _) = await Sample.FormatAsync(Sample.Luks2Options with { Placement = LuksPlacement.Detached });

        Assert.Equal(0, (await Sample.OpenAsync(device, LuksPlacement.Detached)).Payload.Offset);
        var error = await Assert.ThrowsAsync<InvalidImageException>(() => Sample.OpenAsync(device));
        Assert.Equal(ErrorIds.Luks2PayloadElsewhere, error.ErrorId);
    }

    public static TheoryData<string, LuksFormatOptions> Impossible => new()
    {
        { ErrorIds.Luks2SizeInvalid, Sample.Luks2Options with { MetadataSize = 0x3000 } },
        { ErrorIds.Luks2SizeInvalid, Sample.Luks2Options with { MetadataSize = 0x800000 } },
        { ErrorIds.Luks2SizeInvalid, Sample.Luks2Options with { MetadataSize = (1L << 32) + 0x4000 } },
        { ErrorIds.Luks2SizeInvalid, Sample.Luks2Options with { KeyslotsSize = 258048 + 512 } },
        { ErrorIds.Luks2SizeInvalid, Sample.Luks2Options with { KeyslotsSize = 0 } },
        { ErrorIds.Luks2SizeInvalid, Sample.Luks2Options with { KeyslotsSize = -4096 } },
        { ErrorIds.Luks2SizeInvalid, Sample.Luks2Options with { KeyslotsSize = (128 << 20) + 4096 } },
        { ErrorIds.SectorSizeInvalid, Sample.Luks2Options with { SectorSize = 8192 } },
        { ErrorIds.SectorSizeInvalid, Sample.Luks2Options with { SectorSize = 1536 } },
        { ErrorIds.LabelInvalid, Sample.Luks2Options with { Label = new string('x', 48) } },
        { ErrorIds.LabelInvalid, Sample.Luks2Options with { Subsystem = new string('ü', 24) } },
        { ErrorIds.LabelInvalid, Sample.Luks2Options with { Label = "a\0b" } },
        { ErrorIds.KeySizeInvalid, Sample.Luks2Options with { KeySize = 24 } },
        { ErrorIds.PayloadAlignmentInvalid, Sample.Luks2Options with { PayloadAlignment = 100 } },
        { ErrorIds.LuksVersionUnsupported, Sample.Luks2Options with { Placement = LuksPlacement.Embedded } },
        { ErrorIds.InvalidParameter, Sample.Options with { SectorSize = 4096 } },
        { ErrorIds.InvalidParameter, Sample.Options with { Label = "LUKS1 has none" } },
        { ErrorIds.KdfCostInvalid, Sample.Options with { Cost = KdfCost.OfArgon2(KdfKind.Argon2id, 4, 32, 1) } },
    };

    [Theory]
    [MemberData(nameof(Impossible))]
    public async Task What_is_not_possible_is_refused_before_anything_is_written(string errorId, LuksFormatOptions options)
    {
        var device = new MemoryDevice(16 << 20);
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);

        var error = await Assert.ThrowsAnyAsync<VmCryptException>(
            async () => await LuksHeader.FormatAsync(device, options, passphrase, Sample.Token));

        Assert.Equal(errorId, error.ErrorId);
        Assert.Equal(new byte[device.Length], device.ToArray());
    }

    [Fact]
    public async Task A_device_that_is_too_small_is_refused()
    {
        var device = new MemoryDevice(Sample.Luks2Options.HeaderLength - 512);
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);

        var error = await Assert.ThrowsAsync<InvalidInputException>(
            async () => await LuksHeader.FormatAsync(device, Sample.Luks2Options, passphrase, Sample.Token));

        Assert.Equal(ErrorIds.LuksAreaTooSmall, error.ErrorId);
    }
}
