using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;
using VmCrypt.Interop.Tests.Block;
using VmCrypt.Interop.Tests.Nbd;

namespace VmCrypt.Interop.Tests.Luks;

/// <summary>Backups of headers, made by cryptsetup or by us and restored by the other; volume keys and erased headers likewise.</summary>
public sealed class HeaderBackupTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly Cryptsetup _cryptsetup;

    public HeaderBackupTests() => _cryptsetup = new Cryptsetup(_scratch);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, int, string> Luks1 => new()
    {
        { "aes-xts-plain64", 512, "sha256" },
        { "aes-cbc-essiv:sha256", 128, "sha1" },
        { "aes-cbc-plain", 192, "sha512" },
    };

    [Theory]
    [MemberData(nameof(Luks1))]
    public async Task A_LUKS1_backup_is_theirs_byte_for_byte(string cipher, int keyBits, string hash) =>
        await AssertSameBackupAsync(_cryptsetup.Format(cipher, keyBits, hash));

    [Theory]
    [InlineData("--luks2-metadata-size", "16k", "--luks2-keyslots-size", "16m")]
    [InlineData("--luks2-metadata-size", "64k", "--luks2-keyslots-size", "1m")]
    [InlineData("--luks2-metadata-size", "4m", "--luks2-keyslots-size", "512k")]
    public async Task A_LUKS2_backup_is_theirs_byte_for_byte(params string[] sizes) => await AssertSameBackupAsync(_cryptsetup.FormatLuks2(sizes));

    [Theory]
    [InlineData(LuksVersion.Luks1)]
    [InlineData(LuksVersion.Luks2)]
    public async Task Cryptsetup_restores_what_we_back_up(LuksVersion version)
    {
        LuksDisk disk = await MakeAsync(version);
        await BackupAsync(disk.Path, _scratch["ours"]);
        await disk.ReplaceAsync(LuksDisk.Passphrase, "changed");

        Tools.Run("cryptsetup", "luksHeaderRestore", "-q", "--header-backup-file", _scratch["ours"], disk.Path);

        Assert.True(_cryptsetup.Opens(disk, LuksDisk.Passphrase));
        Assert.Equal(0, await disk.SlotOfAsync(LuksDisk.Passphrase));
        Assert.Null(await disk.SlotOfAsync("changed"));
    }

    [Theory]
    [InlineData(LuksVersion.Luks1)]
    [InlineData(LuksVersion.Luks2)]
    public async Task We_restore_what_cryptsetup_backs_up(LuksVersion version)
    {
        LuksDisk disk = version == LuksVersion.Luks1 ? _cryptsetup.Format("aes-xts-plain64", 512, "sha256") : _cryptsetup.FormatLuks2();
        byte[] before = File.ReadAllBytes(disk.Path);
        Tools.Run("cryptsetup", "luksHeaderBackup", "--header-backup-file", _scratch["theirs"], disk.Path);
        _cryptsetup.ChangeKey(disk, LuksDisk.Passphrase, "changed");

        await RestoreAsync(disk.Path, _scratch["theirs"], force: false);

        Assert.Equal(before, File.ReadAllBytes(disk.Path));
        Assert.True(_cryptsetup.Opens(disk, LuksDisk.Passphrase));
    }

    [Fact]
    public async Task A_header_that_was_overwritten_comes_back_by_force_only()
    {
        LuksDisk disk = _cryptsetup.Format("aes-xts-plain64", 512, "sha256");
        byte[] before = File.ReadAllBytes(disk.Path);
        await BackupAsync(disk.Path, _scratch["ours"]);
        await using (FileStream file = File.OpenWrite(disk.Path))
        {
            file.Write(new byte[1 << 20]);
        }

        var refusal = await Assert.ThrowsAsync<RefusedException>(() => RestoreAsync(disk.Path, _scratch["ours"], force: false));
        Assert.Equal(ErrorIds.LuksHeaderDestroyed, refusal.ErrorId);
        await RestoreAsync(disk.Path, _scratch["ours"], force: true);

        Assert.Equal(before, File.ReadAllBytes(disk.Path));
    }

    [Fact]
    public async Task The_header_inside_qcow2_is_backed_up_and_opens_as_a_detached_one()
    {
        string image = QcowOf("disk.qcow2");
        await BackupAsync(image, _scratch["inside"]);

        Assert.Equal(4040 * 512, new FileInfo(_scratch["inside"]).Length);
        Tools.Run("cryptsetup", "open", "--test-passphrase", "--key-file", _cryptsetup.KeyFile("secret"), "--header", _scratch["inside"], image);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_header_inside_qcow2_is_restored_and_QEMU_reads_the_disk(bool destroyed)
    {
        string image = QcowOf("disk.qcow2");
        string[] secret = QemuImg.Secret(_scratch, "secret");
        string options = $"driver=qcow2,encrypt.key-secret=key,file.filename={image}";
        QemuImg.IO(options, secret, "write -P 77 0 1M");
        await BackupAsync(image, _scratch["inside"]);
        byte[] before = File.ReadAllBytes(image);
        if (destroyed)
        {
            long header = await HeaderOffsetAsync(image);
            await using FileStream file = File.OpenWrite(image);
            file.Position = header;
            file.Write(new byte[4096 * 64]);
        }
        else
        {
            await KeySlots.RemoveAsync(DiskLocation.Parse(image), new DiskOpenOptions(), slot: 0, keys: null, force: true, Token);
        }

        await RestoreAsync(image, _scratch["inside"], force: destroyed);

        Assert.Equal(before, File.ReadAllBytes(image));
        Assert.All(QemuImg.Read(_scratch, options, secret).Take(1 << 20), value => Assert.Equal(77, value));
    }

    [Theory]
    [InlineData(LuksVersion.Luks1)]
    [InlineData(LuksVersion.Luks2)]
    public async Task An_erased_disk_opens_for_nobody_and_its_backups_are_named(LuksVersion version)
    {
        LuksDisk disk = version == LuksVersion.Luks1 ? _cryptsetup.Format("aes-xts-plain64", 512, "sha256") : _cryptsetup.FormatLuks2();
        Tools.Run("cryptsetup", "luksHeaderBackup", "--header-backup-file", _scratch["theirs"], disk.Path);

        RemovedHeader removed;
        await using (HeaderRemoval removal = await HeaderRemoval.PlanAsync(DiskLocation.Parse(disk.Path), new DiskOpenOptions(), Token))
        {
            removed = await removal.RunAsync(Token);
        }

        Assert.False(_cryptsetup.Opens(disk, LuksDisk.Passphrase));
        Assert.Contains(removed.Uuid, _cryptsetup.Dump(disk), StringComparison.Ordinal);
        Assert.Equal(1, removed.SlotsDestroyed);
        KeyCopy copy = Assert.Single(removed.StillOpens, copy => copy.Kind == KeyCopyKind.Header);
        Assert.Equal(_scratch["theirs"], copy.Path);
        Tools.Run("cryptsetup", "luksHeaderRestore", "-q", "--header-backup-file", _scratch["theirs"], disk.Path);
        Assert.True(_cryptsetup.Opens(disk, LuksDisk.Passphrase));
    }

    [Fact]
    public async Task A_header_as_guest_data_of_qcow2_may_be_in_its_snapshots()
    {
        LuksDisk disk = await MakeAsync(LuksVersion.Luks2);
        string image = _scratch["over.qcow2"];
        Tools.RunQemuImg("convert", "-O", "qcow2", disk.Path, image);
        Tools.RunQemuImg("snapshot", "-c", "before", image);

        await using HeaderRemoval removal = await HeaderRemoval.PlanAsync(DiskLocation.Parse(image), new DiskOpenOptions(), Token);

        Assert.Contains(removal.StillOpens, copy => copy.Kind == KeyCopyKind.Snapshot && copy.Message.Contains("'before'", StringComparison.Ordinal));
        Assert.Contains(removal.StillOpens, copy => copy.Kind == KeyCopyKind.Header && copy.Path == disk.Path);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_block_device_or_a_disk_behind_NBD_is_erased_and_restored(bool overNbd)
    {
        LuksDisk disk = _cryptsetup.FormatLuks2();
        byte[] before = File.ReadAllBytes(disk.Path);
        using NbdPeer? server = overNbd ? await NbdPeer.QemuNbdAsync(_scratch, "--format=raw", disk.Path) : null;
        using LoopDevice? device = overNbd ? null : LoopDevice.Over(disk.Path);
        string place = server?.Uri.ToString() ?? device!.Path;
        await BackupAsync(place, _scratch["ours"]);

        await using (HeaderRemoval removal = await HeaderRemoval.PlanAsync(DiskLocation.Parse(place), new DiskOpenOptions(), Token))
        {
            await removal.RunAsync(Token);
        }

        Assert.False(_cryptsetup.Opens(disk, LuksDisk.Passphrase));
        await RestoreAsync(place, _scratch["ours"], force: false);
        Assert.Equal(before, File.ReadAllBytes(disk.Path));
    }

    [Theory]
    [InlineData(LuksVersion.Luks1)]
    [InlineData(LuksVersion.Luks2)]
    public async Task A_volume_key_file_is_theirs_and_opens_a_disk_without_slots(LuksVersion version)
    {
        LuksDisk disk = await MakeAsync(version);
        using var keys = new DiskKeys(LuksDisk.Secret(LuksDisk.Passphrase));

        await VolumeKeyExport.RunAsync(DiskLocation.Parse(disk.Path), new DiskOpenOptions(), keys, _scratch["vk"], Token);

        Assert.Equal(_cryptsetup.VolumeKey(disk), File.ReadAllBytes(_scratch["vk"]));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_scratch["vk"]));
        Tools.Run("cryptsetup", "open", "--test-passphrase", "--volume-key-file", _scratch["vk"], disk.Path);
        var exists = await Assert.ThrowsAsync<RefusedException>(
            () => VolumeKeyExport.RunAsync(DiskLocation.Parse(disk.Path), new DiskOpenOptions(), keys, _scratch["vk"], Token).AsTask());
        Assert.Equal(ErrorIds.FileExists, exists.ErrorId);
    }

    [Fact]
    public async Task A_header_whose_start_is_destroyed_is_repaired_from_its_second_copy()
    {
        LuksDisk disk = _cryptsetup.FormatLuks2();
        await using (FileStream file = File.OpenWrite(disk.Path))
        {
            file.Write(new byte[4096]);
        }

        await using (HeaderRepair repair = await HeaderRepair.PlanAsync(DiskLocation.Parse(disk.Path), new DiskOpenOptions(), Token))
        {
            Assert.Equal(ErrorIds.NotLuks, repair.Damage?.ErrorId);
            await repair.RunAsync(Token);
        }

        Assert.True(_cryptsetup.Opens(disk, LuksDisk.Passphrase));
        await using HeaderRepair again = await HeaderRepair.PlanAsync(DiskLocation.Parse(disk.Path), new DiskOpenOptions(), Token);
        Assert.Null(again.Damage);
    }

    public void Dispose() => _scratch.Dispose();

    private async Task AssertSameBackupAsync(LuksDisk disk)
    {
        Tools.Run("cryptsetup", "luksHeaderBackup", "--header-backup-file", _scratch["theirs"], disk.Path);
        await BackupAsync(disk.Path, _scratch["ours"]);
        Assert.Equal(File.ReadAllBytes(_scratch["theirs"]), File.ReadAllBytes(_scratch["ours"]));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_scratch["ours"]));
    }

    private async Task<LuksDisk> MakeAsync(LuksVersion version) =>
        await LuksDisk.FormatAsync(_scratch, version == LuksVersion.Luks1 ? LuksDisk.Quick : LuksDisk.QuickLuks2);

    private string QcowOf(string name)
    {
        string path = _scratch[name];
        QemuImg.Create([.. QemuImg.Secret(_scratch, "secret"), "-f", "qcow2", "-o", "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10", path, "4M"]);
        return path;
    }

    private static async Task<long> HeaderOffsetAsync(string image)
    {
        ImageDescription description = await ImageInspector.DescribeAsync(DiskLocation.Parse(image), new DiskOpenOptions(), Token);
        return description.Qcow2!.EncryptionHeader!.Value.Offset;
    }

    private static async Task BackupAsync(string image, string file) =>
        await HeaderBackups.BackupAsync(DiskLocation.Parse(image), new DiskOpenOptions(), file, replace: false, Token);

    private static async Task RestoreAsync(string image, string file, bool force)
    {
        await using HeaderRestoration restoration =
            await HeaderBackups.PlanRestoreAsync(DiskLocation.Parse(image), new DiskOpenOptions(), file, null, force, Token);
        await restoration.RunAsync(Token);
    }
}
