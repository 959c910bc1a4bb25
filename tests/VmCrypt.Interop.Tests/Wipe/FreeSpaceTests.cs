using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Interop.Tests.Wipe;

/// <summary>Free space of a file system, and files that belong to an image.</summary>
public sealed class FreeSpaceTests : IDisposable
{
    private const int MiB = 1 << 20;

    private readonly WipeLab _lab = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _lab.Dispose();

    [Fact]
    public async Task Blocks_of_deleted_files_are_overwritten_and_all_others_left()
    {
        LabDisk disk = _lab.MakeFileSystem("ext4");
        byte[] secret = WipeLab.Noise(8 * MiB);
        byte[] kept = WipeLab.Noise(8 * MiB, seed: 2);
        string deleted = WipeLab.WriteThrough(disk["deleted.img"], secret);
        WipeLab.WriteThrough(disk["kept.img"], kept);
        var runs = disk.RunsOf(deleted);
        File.Delete(deleted);
        File.WriteAllBytes(disk[".vmcrypt-free-0123456789abcdef"], WipeLab.Noise(MiB));
        Tools.Run("sync", "-f", disk.Folder);
        Assert.Equal(secret, disk.Read(runs));

        WipeResult result = await _lab.Service.RunFreeSpaceAsync(
            new FreeSpaceRequest { Folder = disk.Folder, Standard = WipeStandards.BuiltIn["One"], ReserveBytes = 4 * MiB }, null, Token);

        Assert.Equal((WipeStatus.Erased, TargetKind.FreeSpace), (result.Status, result.Target.Kind));
        Assert.All(disk.Read(runs), value => Assert.Equal(0xFF, value));
        Assert.Equal(kept, File.ReadAllBytes(disk["kept.img"]));
        Assert.Equal(["kept.img", "lost+found"], Directory.EnumerateFileSystemEntries(disk.Folder).Select(Path.GetFileName).Order());
        Assert.InRange(result.Target.Length, 200 * MiB, 320 * MiB);
    }

    [Fact]
    public async Task A_stop_gives_the_space_back()
    {
        LabDisk disk = _lab.MakeFileSystem("ext4");
        long before = new DriveInfo(disk.Folder).AvailableFreeSpace;
        using var stop = new CancellationTokenSource();
        var watch = new Immediate(progress =>
        {
            if (progress.DoneBytes > 4 * MiB)
            {
                stop.Cancel();
            }
        });

        WipeResult result = await _lab.Service.RunFreeSpaceAsync(
            new FreeSpaceRequest { Folder = disk.Folder, Standard = WipeStandards.BuiltIn["Random"], BytesPerSecond = 64 * MiB, ReserveBytes = 8 * MiB }, watch, stop.Token);

        Assert.Equal((WipeStatus.Interrupted, (string?)null), (result.Status, result.JournalPath));
        Assert.InRange(new DriveInfo(disk.Folder).AvailableFreeSpace, before - MiB, before + MiB);
    }

    [Fact]
    public async Task What_belongs_to_an_image_goes_along_on_request_and_is_named_otherwise()
    {
        string image = _lab["volume"];
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", _lab["template"], "16M");
        Tools.Run("qemu-io", "-f", "qcow2", "-c", "write -P 0x5a 0 1M", _lab["template"]);
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "template", "-F", "qcow2", image);
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "template", "-F", "qcow2", _lab["other"]);
        File.WriteAllText(image + ".meta", "DOMAIN=1\n");
        File.WriteAllText(image + ".lease", "lease");
        var request = new WipeRequest { Path = image, Standard = WipeStandards.BuiltIn["Zero"] };

        Assert.Equal([image], (await WipeService.ExpandAsync(request, Token)).Select(one => one.Path));
        Assert.Equal(
            [image, image + ".meta", image + ".lease"],
            (await WipeService.ExpandAsync(request with { Include = WipeInclude.Neighbours }, Token)).Select(one => one.Path));
        IReadOnlyList<WipeRequest> all = await WipeService.ExpandAsync(request with { Include = WipeInclude.All }, Token);
        Assert.Equal([image, _lab["template"], image + ".meta", image + ".lease"], all.Select(one => one.Path));

        // The template has another dependant: it is not wiped with this one.
        WipeResult alone = await _lab.Service.RunAsync(all[0], null, Token);
        var error = await Assert.ThrowsAsync<Core.Errors.RefusedException>(() => _lab.Service.RunAsync(all[1], null, Token));
        File.Delete(_lab["other"]);
        WipeResult template = await _lab.Service.RunAsync(all[1], null, Token);

        Assert.Equal(Core.Errors.ErrorIds.WipeTargetIsBacking, error.ErrorId);
        Assert.DoesNotContain(FindingKind.NotIncluded, alone.Findings.Select(finding => finding.Kind));
        Assert.Equal((WipeStatus.Erased, WipeStatus.Erased), (alone.Status, template.Status));
    }

    [Fact]
    public async Task What_is_left_out_is_named()
    {
        string image = _lab["volume"];
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", _lab["template"], "16M");
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "template", "-F", "qcow2", image);

        WipeResult result = await _lab.WipeAsync(image, "Zero");

        WipeFinding note = Assert.Single(result.Findings, finding => finding.Kind == FindingKind.NotIncluded);
        Assert.Contains(_lab["template"], note.Text, StringComparison.Ordinal);
        Assert.Equal(WipeStatus.Erased, result.Status);
    }

    [Fact]
    public async Task An_image_cannot_have_files_elsewhere_wiped()
    {
        string victim = WipeLab.WriteThrough(_lab["victim.raw"], WipeLab.Noise(MiB));
        Directory.CreateDirectory(_lab["evil"]);
        string image = Path.Combine(_lab["evil"], "image.qcow2");
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-b", victim, "-F", "raw", image);

        IReadOnlyList<WipeRequest> all = await WipeService.ExpandAsync(
            new WipeRequest { Path = image, Standard = WipeStandards.BuiltIn["Zero"], Include = WipeInclude.All }, Token);

        Assert.Equal([image], all.Select(one => one.Path));
    }

    [Theory]
    [InlineData("luks1", false)]
    [InlineData("qcow2", false)]
    [InlineData("luks1", true)]
    public async Task A_cryptographic_erase_leaves_no_key_slot(string kind, bool overwrite)
    {
        string path = _lab["secret.img"];
        File.WriteAllText(_lab["key"], "secret");
        if (kind == "luks1")
        {
            Tools.Run("truncate", "--size", "8M", path);
            Tools.Run("cryptsetup", "luksFormat", "--batch-mode", "--type", "luks1", "--pbkdf-force-iterations", "1000", "--key-file", _lab["key"], path);
        }
        else
        {
            Tools.RunQemuImg(
                "create", "-q", "-f", "qcow2", "--object", $"secret,id=s,file={_lab["key"]}",
                "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", path, "8M");
        }

        WipeResult result = await _lab.WipeAsync(path, overwrite ? "CryptoErase-Zero" : "CryptoErase");

        Assert.Equal(WipeStatus.Erased, result.Status);
        Assert.Equal((1, true), (result.Keys!.SlotsDestroyed, result.Keys.Verified));
        Assert.Contains(FindingKind.KeyCopies, result.Findings.Select(finding => finding.Kind));
        Assert.Equal(overwrite ? 1 : 0, result.Passes.Count);
        if (overwrite)
        {
            Assert.DoesNotContain(File.ReadAllBytes(path), value => value != 0);
        }
        else if (kind == "luks1")
        {
            Assert.NotEqual(0, Tools.TryRun("cryptsetup", "luksOpen", "--test-passphrase", "--key-file", _lab["key"], path).ExitCode);
            Assert.Contains("Key Slot 0: DISABLED", Tools.Run("cryptsetup", "luksDump", path), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_plain_image_has_no_keys_to_erase()
    {
        string path = WipeLab.WriteThrough(_lab["plain.img"], WipeLab.Noise(MiB));
        var error = await Assert.ThrowsAsync<Core.Errors.InvalidInputException>(() => _lab.WipeAsync(path, "CryptoErase-Zero"));
        Assert.Equal(Core.Errors.ErrorIds.NotEncrypted, error.ErrorId);
        Assert.Equal(WipeLab.Noise(MiB), File.ReadAllBytes(path));
    }
}
