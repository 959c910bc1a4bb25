using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Tests.Luks;

public sealed class HeaderBackupTests
{
    public static TheoryData<LuksVersion> Versions => [LuksVersion.Luks1, LuksVersion.Luks2];

    /// <summary>What differs between disk and backup, and whether force restores all the same.</summary>
    public static TheoryData<string, LuksFormatOptions, string, bool> Differences
    {
        get
        {
            var uuid = Guid.NewGuid();
            LuksFormatOptions one = Sample.Options with { Uuid = uuid };
            LuksFormatOptions two = Sample.Luks2Options with { Uuid = uuid, SectorSize = 512, PayloadAlignment = one.PayloadAlignment };
            return new()
            {
                { "uuid", one with { Uuid = Guid.NewGuid() }, ErrorIds.HeaderBackupUuidDiffers, true },
                { "version", two, ErrorIds.HeaderBackupVersionDiffers, true },
                { "cipher", one with { Cipher = CipherSpec.Parse("aes-cbc-essiv:sha256"), KeySize = 32 }, ErrorIds.HeaderBackupCipherDiffers, false },
                { "key size", one with { KeySize = 32 }, ErrorIds.HeaderBackupCipherDiffers, false },
                { "payload offset", one with { PayloadAlignment = 4 << 20 }, ErrorIds.HeaderBackupLayoutDiffers, false },
                { "volume key", one, ErrorIds.HeaderBackupKeyDiffers, false },
            };
        }
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_backup_is_the_header_and_opens_by_itself(LuksVersion version)
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Options(version));

        LuksHeaderBackup backup = await ReadAsync(device);

        int length = (int)header.HeaderLength;
        Assert.Equal((length + 4095) / 4096 * 4096, backup.Bytes.Length);
        Assert.Equal(device.ToArray().AsSpan(0, length), backup.Bytes.Span[..length]);
        Assert.False(backup.Bytes.Span[length..].ContainsAnyExcept((byte)0));
        await backup.Header.AssertOpensAsync(Sample.Passphrase, key);
    }

    [Fact]
    public async Task What_stands_between_a_LUKS1_header_and_its_first_slot_is_left_out()
    {
        (MemoryDevice device, _, _) = await Sample.FormatAsync();
        byte[] disk = device.ToArray();
        disk.AsSpan(592, 4096 - 592).Fill(0xAA);

        LuksHeaderBackup backup = await ReadAsync(new MemoryDevice(disk));

        Assert.Equal(new byte[4096 - 592], backup.Bytes[592..4096].ToArray());
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Restoring_brings_back_every_byte_and_every_passphrase(LuksVersion version)
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Options(version));
        byte[] before = device.ToArray();
        LuksHeaderBackup backup = await ReadAsync(device);
        await header.AddAsync(key, "new");
        await header.RemoveAsync(0);

        await LuksHeaderRestore.WriteAsync(device, LuksPlacement.Attached, backup);

        Assert.Equal(before, device.ToArray());
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_destroyed_header_comes_back(LuksVersion version)
    {
        (MemoryDevice device, _, VolumeKey key) = await Sample.FormatAsync(Options(version));
        LuksHeaderBackup backup = await ReadAsync(device);
        byte[] disk = device.ToArray();
        disk.AsSpan(0, 1 << 20).Fill(0xFF);
        var destroyed = new MemoryDevice(disk);

        await LuksHeaderRestore.WriteAsync(destroyed, LuksPlacement.Attached, backup);

        await (await Sample.OpenAsync(destroyed)).AssertOpensAsync(Sample.Passphrase, key);
        Assert.Equal(device.ToArray(), destroyed.ToArray());
    }

    [Theory]
    [MemberData(nameof(Differences))]
    public async Task A_backup_of_another_disk_is_refused_by_what_differs(string what, LuksFormatOptions other, string errorId, bool forced)
    {
        Assert.NotEmpty(what);
        (_, LuksHeader disk, VolumeKey key) = await Sample.FormatAsync(
            Sample.Options with { Uuid = what == "uuid" ? Guid.NewGuid() : other.Uuid });
        if (what is not "volume key")
        {
            using SecretBuffer raw = key.Export();
            other = other.KeySize == raw.Length ? other with { VolumeKey = raw.Copy() } : other;
        }

        LuksHeader backup = (await ReadAsync((await Sample.FormatAsync(other)).Device)).Header;

        Assert.Equal(errorId, await RefusalAsync(disk, backup, force: false));
        string? still = await RefusalAsync(disk, backup, force: true);
        Assert.Equal(forced ? null : errorId, still == ErrorIds.HeaderBackupKeyDiffers && forced ? null : still);
    }

    [Fact]
    public async Task A_digest_made_anew_is_proven_equal_by_a_passphrase()
    {
        var uuid = Guid.NewGuid();
        (_, LuksHeader disk, VolumeKey key) = await Sample.FormatAsync(Sample.Options with { Uuid = uuid });
        using SecretBuffer raw = key.Export();
        LuksHeader same = (await Sample.FormatAsync(Sample.Options with { Uuid = uuid, VolumeKey = raw })).Header;
        LuksHeader other = (await Sample.FormatAsync(Sample.Options with { Uuid = uuid })).Header;
        using VolumeKey equal = (await same.UnlockAsync(Sample.Passphrase)).Key;
        using VolumeKey foreign = (await other.UnlockAsync(Sample.Passphrase)).Key;

        await LuksHeaderMatch.RequireSameKeyAsync(disk, same, equal, Sample.Token);

        Assert.Equal(ErrorIds.HeaderBackupKeyDiffers, await KeyRefusalAsync(disk, same, null));
        Assert.Equal(ErrorIds.HeaderBackupKeyDiffers, await KeyRefusalAsync(disk, other, foreign));
    }

    [Fact]
    public async Task A_backup_from_before_a_conversion_holds_the_same_key()
    {
        (MemoryDevice device, LuksHeader header, _) = await Sample.FormatAsync();
        LuksHeaderBackup backup = await ReadAsync(device);
        LuksHeader converted = await (await header.PlanConversionAsync(Sample.Token)).RunAsync(Sample.Token);

        Assert.Equal(ErrorIds.HeaderBackupVersionDiffers, await RefusalAsync(converted, backup.Header, force: false));
        Assert.Null(await RefusalAsync(converted, backup.Header, force: true));
        await LuksHeaderRestore.WriteAsync(device, LuksPlacement.Attached, backup);
        Assert.Equal(LuksVersion.Luks1, (await Sample.OpenAsync(device)).Version);
        (await (await Sample.OpenAsync(device)).UnlockAsync(Sample.Passphrase)).Key.Dispose();
    }

    [Fact]
    public async Task A_header_that_does_not_fit_its_place_is_not_written()
    {
        LuksHeaderBackup backup = await ReadAsync((await Sample.FormatAsync()).Device);
        LuksHeaderBackup detached = await ReadAsync(
            (await Sample.FormatAsync(Sample.Options with { Placement = LuksPlacement.Detached })).Device, LuksPlacement.Detached);

        Assert.Equal(ErrorIds.LuksAreaTooSmall, await WriteRefusalAsync(1 << 20, LuksPlacement.Attached, backup));
        Assert.Equal(ErrorIds.LuksAreaTooSmall, await WriteRefusalAsync(1 << 20, LuksPlacement.Embedded, backup));
        Assert.Equal(ErrorIds.HeaderBackupLayoutDiffers, await WriteRefusalAsync(backup.Header.HeaderLength, LuksPlacement.Attached, backup));
        Assert.Equal(ErrorIds.HeaderBackupLayoutDiffers, await WriteRefusalAsync(4 << 20, LuksPlacement.Attached, detached));
    }

    [Fact]
    public async Task A_detached_header_grows_into_its_file()
    {
        LuksHeaderBackup backup = await ReadAsync(
            (await Sample.FormatAsync(Sample.Options with { Placement = LuksPlacement.Detached })).Device, LuksPlacement.Detached);
        var empty = new MemoryDevice(0);

        await LuksHeaderRestore.WriteAsync(empty, LuksPlacement.Detached, backup);

        Assert.Equal(backup.Bytes[..(int)backup.Header.HeaderLength].ToArray(), empty.ToArray());
    }

    [Fact]
    public async Task A_medium_that_keeps_something_else_is_found_out()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();
        LuksHeaderBackup backup = await ReadAsync(device);
        await header.ChangeAsync(key, 0, "new");

        var fault = await Assert.ThrowsAsync<DeviceFaultException>(
            () => LuksHeaderRestore.WriteAsync(new ForgetfulDevice(device, 512, 513), LuksPlacement.Attached, backup).AsTask());

        Assert.Equal(ErrorIds.LuksHeaderNotStored, fault.ErrorId);
    }

    private static LuksFormatOptions Options(LuksVersion version) => version == LuksVersion.Luks1 ? Sample.Options : Sample.Luks2Options;

    private static Task<LuksHeaderBackup> ReadAsync(IBlockDevice device, LuksPlacement placement = LuksPlacement.Attached) =>
        LuksHeaderBackup.ReadAsync(device, placement, Sample.Token).AsTask();

    private static async Task<string?> RefusalAsync(LuksHeader disk, LuksHeader backup, bool force)
    {
        try
        {
            LuksHeaderMatch.Require(disk, backup, force);
            await LuksHeaderMatch.RequireSameKeyAsync(disk, backup, null, Sample.Token);
            return null;
        }
        catch (VmCryptException refusal)
        {
            return refusal.ErrorId;
        }
    }

    private static async Task<string> KeyRefusalAsync(LuksHeader disk, LuksHeader backup, VolumeKey? key) =>
        (await Assert.ThrowsAnyAsync<VmCryptException>(
            () => LuksHeaderMatch.RequireSameKeyAsync(disk, backup, key, Sample.Token).AsTask())).ErrorId;

    private static async Task<string> WriteRefusalAsync(long length, LuksPlacement placement, LuksHeaderBackup backup)
    {
        var device = new MemoryDevice(length);
        var refusal = await Assert.ThrowsAnyAsync<VmCryptException>(() => LuksHeaderRestore.WriteAsync(device, placement, backup).AsTask());
        Assert.Equal(new byte[length], device.ToArray());
        return refusal.ErrorId;
    }
}
