using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Luks.Luks1;

namespace VmCrypt.Core.Tests.Luks;

public sealed class LuksFormatTests
{
    [Theory]
    [InlineData(LuksPlacement.Attached, 4096)]
    [InlineData(LuksPlacement.Detached, 0)]
    [InlineData(LuksPlacement.Embedded, 4040)]
    public async Task The_payload_starts_where_the_peers_put_it(LuksPlacement placement, uint sector)
    {
        (MemoryDevice device, LuksHeader header, _) = await Sample.FormatAsync(Sample.Options with { Placement = placement });

        Assert.Equal(sector, Luks1Header.Parse(device.ToArray()).PayloadOffsetSectors);
        Assert.Equal(sector * 512L, header.Payload.Offset);
        Assert.Equal(0, (await (await Sample.OpenAsync(device, placement)).UnlockAsync(Sample.Passphrase)).Slot);
    }

    [Theory]
    [InlineData(16, 1032)]
    [InlineData(24, 1544)]
    [InlineData(32, 2056)]
    [InlineData(48, 3016)]
    [InlineData(64, 4040)]
    public void The_header_ends_where_QEMUs_does(int keySize, long sectors) =>
        Assert.Equal(sectors * 512, (LuksFormatOptions.Default with { Placement = LuksPlacement.Embedded, KeySize = keySize }).HeaderLength);

    [Theory]
    [InlineData(512, 4040)]
    [InlineData(4096, 4040)]
    [InlineData(1024 * 1024, 4096)]
    [InlineData(2048 * 1024, 4096)]
    [InlineData(1L << 30, 1L << 21)]
    public void The_payload_is_aligned_as_asked(long alignment, long sectors) =>
        Assert.Equal(sectors * 512, (LuksFormatOptions.Default with { PayloadAlignment = alignment }).HeaderLength);

    [Theory]
    [InlineData(0)]
    [InlineData(-512)]
    [InlineData(511)]
    [InlineData((1L << 40) + 512)]
    [InlineData(long.MaxValue - 511)]
    public void An_alignment_that_is_none_is_refused(long alignment)
    {
        var error = Assert.Throws<InvalidInputException>(() => (LuksFormatOptions.Default with { PayloadAlignment = alignment }).HeaderLength);
        Assert.Equal(ErrorIds.PayloadAlignmentInvalid, error.ErrorId);
    }

    [Fact]
    public async Task What_was_there_before_is_gone()
    {
        byte[] disk = new byte[LuksFormatOptions.Default.HeaderLength + 512];
        Array.Fill(disk, (byte)0xA5);
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);

        await LuksHeader.FormatAsync(new MemoryDevice(disk), Sample.Options, passphrase, Sample.Token);

        byte[] free = [.. disk[592..4096], .. disk[(4096 + 256000)..^512]];
        Assert.Equal(new byte[free.Length], free);
        Assert.Equal([.. Enumerable.Repeat((byte)0xA5, 512)], disk[^512..]);
    }

    [Fact]
    public async Task Two_headers_share_no_secret_salt_or_uuid()
    {
        Luks1Header first = Luks1Header.Parse((await Sample.FormatAsync()).Device.ToArray());
        Luks1Header second = Luks1Header.Parse((await Sample.FormatAsync()).Device.ToArray());

        Assert.NotEqual(first.Uuid, second.Uuid);
        Assert.NotEqual(first.DigestSalt, second.DigestSalt);
        Assert.NotEqual(first.Digest, second.Digest);
        Assert.NotEqual(first.Slots[0].Salt, second.Slots[0].Salt);
    }

    [Fact]
    public async Task A_given_volume_key_is_taken()
    {
        using SecretBuffer given = SecretBuffer.Random(64);

        (MemoryDevice device, _, _) = await Sample.FormatAsync(Sample.Options with { VolumeKey = given });

        Unlocked unlocked = await (await Sample.OpenAsync(device)).UnlockAsync(Sample.Passphrase);
        Assert.Equal(given.Span, unlocked.Key.Span);
    }

    [Fact]
    public async Task A_given_volume_key_must_have_the_key_size()
    {
        using SecretBuffer given = SecretBuffer.Random(32);
        Assert.Equal(ErrorIds.KeySizeInvalid, await RefusedAsync(Sample.Options with { VolumeKey = given }));
    }

    [Theory]
    [InlineData("aes-xts-plain64", 0)]
    [InlineData("aes-xts-plain64", 33)]
    [InlineData("aes-xts-plain64", 4097)]
    [InlineData("aes-cbc-plain64", 64)]
    [InlineData("cast5-cbc-plain64", 32)]
    public async Task A_key_size_that_the_cipher_does_not_take_is_refused(string cipher, int keySize) =>
        Assert.Equal(ErrorIds.KeySizeInvalid, await RefusedAsync(Sample.Options with { Cipher = CipherSpec.Parse(cipher), KeySize = keySize }));

    [Theory]
    [InlineData("aes-cbc-plain64", 24, HashKind.Sha256)]
    [InlineData("aes-cbc-essiv:sha256", 24, HashKind.Sha256)]
    [InlineData("twofish-ctr-plain64", 24, HashKind.Sha256)]
    [InlineData("aes-xts-plain64", 64, HashKind.Whirlpool)]
    [InlineData("aes-xts-plain64be", 64, HashKind.Sha256)]
    [InlineData("aes-ecb", 32, HashKind.Sha256)]
    public async Task What_QEMU_cannot_open_is_made_only_when_it_is_not_for_QEMU(string cipher, int keySize, HashKind hash)
    {
        LuksFormatOptions options = Sample.Options with { Cipher = CipherSpec.Parse(cipher), KeySize = keySize, Hash = hash };
        Assert.Equal(ErrorIds.QemuCannotOpen, await RefusedAsync(options));

        (MemoryDevice device, _, VolumeKey key) = await Sample.FormatAsync(options with { ForQemu = false });

        Unlocked unlocked = await (await Sample.OpenAsync(device)).UnlockAsync(Sample.Passphrase);
        Assert.Equal(key.Span, unlocked.Key.Span);
    }

    [Fact]
    public async Task A_device_that_is_too_small_is_refused_before_anything_is_written()
    {
        var device = new MemoryDevice(LuksFormatOptions.Default.HeaderLength - 1);
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);

        var error = await Assert.ThrowsAsync<InvalidInputException>(
            async () => await LuksHeader.FormatAsync(device, Sample.Options, passphrase, Sample.Token));

        Assert.Equal(ErrorIds.LuksAreaTooSmall, error.ErrorId);
        Assert.Equal(new byte[device.Length], device.ToArray());
    }

    [Fact]
    public async Task Iterations_asked_for_are_iterations_written()
    {
        (_, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Options with { Cost = KdfCost.OfIterations(1234) });
        using SecretBuffer second = Sample.Secret("second");
        await header.AddSlotAsync(key, second, null, KdfCost.OfIterations(4321), Sample.Token);

        Assert.Equal([1234, 4321], header.Slots.Take(2).Select(slot => slot.Iterations));
        Assert.Equal(1000, header.Facts.DigestIterations);
    }

    [Fact]
    public async Task A_time_asked_for_becomes_the_iterations_that_take_it()
    {
        (_, LuksHeader header, _) = await Sample.FormatAsync(Sample.Options with { Cost = KdfCost.OfTime(TimeSpan.FromMilliseconds(800)) });

        // Two measurements of a busy machine differ; a wrong unit would be out by more.
        double perSecond = Pbkdf2Benchmark.MeasurePerSecond(HashKind.Sha256, 64);
        Assert.InRange(header.Slots[0].Iterations / perSecond, 0.1, 10);
        Assert.InRange((double)header.Slots[0].Iterations / header.Facts.DigestIterations, 6.3, 6.5);
    }

    [Theory]
    [InlineData(999)]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(1L + int.MaxValue)]
    public void Iterations_have_limits(long iterations) =>
        Assert.Equal(ErrorIds.KdfCostInvalid, Assert.Throws<InvalidInputException>(() => KdfCost.OfIterations(iterations)).ErrorId);

    [Theory]
    [InlineData(0)]
    [InlineData(-1000)]
    [InlineData(600_001)]
    public void A_time_has_limits(int milliseconds) =>
        Assert.Equal(ErrorIds.KdfCostInvalid,
            Assert.Throws<InvalidInputException>(() => KdfCost.OfTime(TimeSpan.FromMilliseconds(milliseconds))).ErrorId);

    private static async Task<string> RefusedAsync(LuksFormatOptions options)
    {
        var device = new MemoryDevice(8 * 1024 * 1024);
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
        var error = await Assert.ThrowsAnyAsync<VmCryptException>(
            async () => await LuksHeader.FormatAsync(device, options, passphrase, Sample.Token));
        Assert.Equal(new byte[device.Length], device.ToArray());
        return error.ErrorId;
    }
}
