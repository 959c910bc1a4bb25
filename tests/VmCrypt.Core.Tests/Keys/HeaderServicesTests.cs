using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Keys;

/// <summary>Headers as a whole, wherever a disk can have one.</summary>
public sealed class HeaderServicesTests : IDisposable
{
    private const long Size = 1 << 20;

    private readonly Scratch _scratch = new();

    private static CancellationToken Token => Sample.Token;

    public static TheoryData<LuksVersion, ImageFormat, bool, bool> Layerings => new()
    {
        { LuksVersion.Luks1, ImageFormat.Raw, false, false },
        { LuksVersion.Luks1, ImageFormat.Raw, true, false },
        { LuksVersion.Luks1, ImageFormat.Qcow2, false, false },
        { LuksVersion.Luks1, ImageFormat.Qcow2, false, true },
        { LuksVersion.Luks1, ImageFormat.Qcow2, true, false },
        { LuksVersion.Luks2, ImageFormat.Raw, false, false },
        { LuksVersion.Luks2, ImageFormat.Raw, true, false },
        { LuksVersion.Luks2, ImageFormat.Qcow2, false, true },
        { LuksVersion.Luks2, ImageFormat.Qcow2, true, false },
    };

    [Theory]
    [MemberData(nameof(Layerings))]
    public async Task An_erased_header_comes_back_from_its_backup(LuksVersion version, ImageFormat format, bool detached, bool over)
    {
        (DiskLocation image, DiskOpenOptions options) = await MakeAsync(version, format, detached, over);
        HeaderBackup backup = await HeaderBackups.BackupAsync(image, options, _scratch["backup"], replace: false, Token);

        await using (HeaderRemoval removal = await HeaderRemoval.PlanAsync(image, options, Token))
        {
            RemovedHeader removed = await removal.RunAsync(Token);
            Assert.Equal((version, backup.Uuid, 1), (removed.Version, removed.Uuid, removed.SlotsDestroyed));
            Assert.Contains(removed.StillOpens, copy => copy.Path == backup.BackupPath);
        }

        Assert.Equal(ErrorIds.NoActiveKeySlot, await FailureAsync(image, options));
        await RestoreAsync(image, options, force: false);
        Assert.Null(await FailureAsync(image, options));
    }

    [Theory]
    [MemberData(nameof(Layerings))]
    public async Task A_destroyed_header_comes_back_by_force(LuksVersion version, ImageFormat format, bool detached, bool over)
    {
        (DiskLocation image, DiskOpenOptions options) = await MakeAsync(version, format, detached, over);
        await HeaderBackups.BackupAsync(image, options, _scratch["backup"], replace: false, Token);
        await using (HeaderPlace place = await HeaderPlace.OpenAsync(image, options with { Writable = true }, Token))
        {
            // Both copies of a LUKS2 header.
            byte[] noise = new byte[32768];
            Random.Shared.NextBytes(noise);
            await place.Area.WriteAsync(0, noise, Token);
        }

        var refusal = await Assert.ThrowsAsync<RefusedException>(() => RestoreAsync(image, options, force: false));
        Assert.Equal(ErrorIds.LuksHeaderDestroyed, refusal.ErrorId);
        await RestoreAsync(image, options, force: true);
        Assert.Null(await FailureAsync(image, options));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_header_is_converted_after_a_backup_of_it(bool detached)
    {
        (DiskLocation image, DiskOpenOptions options) = await MakeAsync(LuksVersion.Luks1, ImageFormat.Raw, detached, over: false);

        await using (HeaderConversion conversion = await HeaderConversion.PlanAsync(image, options, LuksVersion.Luks2, Token))
        {
            HeaderBackup backup = await conversion.RunAsync(_scratch["backup"], Token);
            Assert.Equal((LuksVersion.Luks1, 1), (backup.Version, backup.ActiveKeySlots));
        }

        Assert.Null(await FailureAsync(image, options));
        var refusal = await Assert.ThrowsAsync<RefusedException>(() => HeaderConversion.PlanAsync(image, options, LuksVersion.Luks2, Token).AsTask());
        Assert.Equal(ErrorIds.ConversionNeedless, refusal.ErrorId);
        refusal = await Assert.ThrowsAsync<RefusedException>(() => RestoreAsync(image, options, force: false));
        Assert.Equal(ErrorIds.HeaderBackupVersionDiffers, refusal.ErrorId);
        await RestoreAsync(image, options, force: true);
        await using DiskStack restored = await DiskStack.OpenAsync(image, options, Token);
        Assert.Equal(LuksVersion.Luks1, restored.Luks!.Version);
    }

    [Fact]
    public async Task A_backup_never_replaces_a_file_unasked_and_belongs_to_its_owner()
    {
        (DiskLocation image, DiskOpenOptions options) = await MakeAsync(LuksVersion.Luks1, ImageFormat.Raw, detached: false, over: false);
        _scratch.File("backup", "mine"u8);

        var refusal = await Assert.ThrowsAsync<RefusedException>(
            () => HeaderBackups.BackupAsync(image, options, _scratch["backup"], replace: false, Token).AsTask());
        Assert.Equal(ErrorIds.FileExists, refusal.ErrorId);
        Assert.Equal("mine"u8, File.ReadAllBytes(_scratch["backup"]));
        await HeaderBackups.BackupAsync(image, options, _scratch["backup"], replace: true, Token);

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, Storage.ModeOf(_scratch["backup"]));
    }

    [Fact]
    public async Task A_backup_is_proven_by_a_passphrase_or_by_the_volume_key()
    {
        (DiskLocation image, DiskOpenOptions options) = await MakeAsync(LuksVersion.Luks2, ImageFormat.Raw, detached: false, over: false);
        await HeaderBackups.BackupAsync(image, options, _scratch["backup"], replace: false, Token);
        using (var keys = new DiskKeys(Sample.Secret(Sample.Passphrase)))
        {
            await VolumeKeyExport.RunAsync(image, options, keys, _scratch["key"], Token);
            await (await PlanAsync(image, options, keys)).DisposeAsync();
        }

        using var volumeKey = new DiskKeys { VolumeKey = SecretBuffer.CopyOf(File.ReadAllBytes(_scratch["key"])) };
        await (await PlanAsync(image, options, volumeKey)).DisposeAsync();
        using var wrong = new DiskKeys(Sample.Secret("wrong"));
        var failure = await Assert.ThrowsAsync<WrongKeyException>(() => PlanAsync(image, options, wrong));
        Assert.Equal(ErrorIds.WrongPassphrase, failure.ErrorId);
    }

    [Fact]
    public async Task What_is_no_backup_is_said_before_anything_is_touched()
    {
        (DiskLocation image, DiskOpenOptions options) = await MakeAsync(LuksVersion.Luks1, ImageFormat.Raw, detached: false, over: false);
        _scratch.File("backup", new byte[1 << 20]);
        byte[] before = File.ReadAllBytes(image.Text);

        var failure = await Assert.ThrowsAsync<InvalidImageException>(() => RestoreAsync(image, options, force: true));

        Assert.Equal(ErrorIds.NotLuks, failure.ErrorId);
        Assert.Equal(before, File.ReadAllBytes(image.Text));
    }

    [Fact]
    public async Task A_plain_image_has_no_header_to_repair_back_up_or_destroy()
    {
        DiskLocation image = DiskLocation.Parse(_scratch.File("plain", new byte[1 << 20]));

        foreach (Func<Task> job in new Func<Task>[]
        {
            async () => await HeaderRepair.PlanAsync(image, new DiskOpenOptions(), Token),
            async () => await HeaderBackups.BackupAsync(image, new DiskOpenOptions(), _scratch["backup"], replace: false, Token),
            async () => await HeaderRemoval.PlanAsync(image, new DiskOpenOptions(), Token),
            async () => await HeaderConversion.PlanAsync(image, new DiskOpenOptions(), LuksVersion.Luks2, Token),
        })
        {
            Assert.Equal(ErrorIds.NotEncrypted, (await Assert.ThrowsAsync<InvalidInputException>(job)).ErrorId);
        }

        await (await DiskStack.OpenAsync(image, new DiskOpenOptions { Writable = true }, Token)).DisposeAsync();
    }

    public void Dispose() => _scratch.Dispose();

    private async Task<(DiskLocation Image, DiskOpenOptions Options)> MakeAsync(LuksVersion version, ImageFormat format, bool detached, bool over)
    {
        DiskLocation image = DiskLocation.Parse(_scratch["disk"]);
        string? header = detached ? _scratch["header"] : null;
        var plan = new NewDisk { Size = Size, Format = format, Over = over, Encryption = version == LuksVersion.Luks1 ? Sample.Options : Sample.Luks2Options };
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
        await DiskFile.CreateAsync(new DiskTarget { Location = image, HeaderPath = header }, plan, passphrase, fill: null, Token);
        return (image, new DiskOpenOptions { HeaderPath = header });
    }

    private Task<HeaderRestoration> PlanAsync(DiskLocation image, DiskOpenOptions options, DiskKeys keys) =>
        HeaderBackups.PlanRestoreAsync(image, options, _scratch["backup"], keys, force: false, Token).AsTask();

    private async Task RestoreAsync(DiskLocation image, DiskOpenOptions options, bool force)
    {
        await using HeaderRestoration restoration = await HeaderBackups.PlanRestoreAsync(image, options, _scratch["backup"], keys: null, force, Token);
        await restoration.RunAsync(Token);
    }

    /// <summary>Why the disk does not open; null where it does.</summary>
    private static async Task<string?> FailureAsync(DiskLocation image, DiskOpenOptions options)
    {
        try
        {
            await using DiskStack disk = await DiskStack.OpenAsync(image, options, Token);
            using var keys = new DiskKeys(Sample.Secret(Sample.Passphrase));
            IBlockDevice plain = await disk.UnlockAsync(keys, Token);
            Assert.Equal(Size, plain.Length);
            return null;
        }
        catch (VmCryptException failure)
        {
            return failure.ErrorId;
        }
    }
}
