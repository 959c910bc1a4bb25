using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe;

namespace VmCrypt.Interop.Tests.Wipe;

/// <summary>The end of an image's key slots, before its passes or instead of them.</summary>
public sealed class CryptoEraseTests : IDisposable
{
    private const int MiB = 1 << 20;

    private readonly WipeLab _lab = new();

    public void Dispose() => _lab.Dispose();

    [Theory]
    [InlineData("luks1", false)]
    [InlineData("luks2", false)]
    [InlineData("qcow2", false)]
    [InlineData("luks1", true)]
    [InlineData("sparse", false)]
    [InlineData("sparse", true)]
    public async Task A_cryptographic_erase_leaves_no_key_slot(string kind, bool overwrite)
    {
        string path = kind == "qcow2" ? _lab["secret.img"] : MakeLuks("20M", kind == "luks2" ? kind : "luks1");
        if (kind == "sparse")
        {
            // Slots that were never used become storage when they are overwritten.
            Tools.Run("cp", "--sparse=always", path, path + ".sparse");
            File.Move(path + ".sparse", path, overwrite: true);
        }
        else if (kind == "qcow2")
        {
            File.WriteAllText(_lab["key"], "secret");
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
        else if (kind != "qcow2")
        {
            Assert.NotEqual(0, Tools.TryRun("cryptsetup", "luksOpen", "--test-passphrase", "--key-file", _lab["key"], path).ExitCode);
            Assert.Contains(kind != "luks2" ? "Key Slot 0: DISABLED" : "Keyslots:\nTokens:", Tools.Run("cryptsetup", "luksDump", path), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("CryptoErase", WipeStatus.ErasedWithExceptions)]
    [InlineData("CryptoErase-Zero", WipeStatus.Erased)]
    public async Task A_header_backup_beside_it_is_named_and_counts_while_the_data_is_there(string standard, WipeStatus expected)
    {
        string path = MakeLuks("20M", "luks2");
        Tools.Run("cryptsetup", "luksHeaderBackup", path, "--header-backup-file", _lab["backup"]);

        WipeResult result = await _lab.WipeAsync(path, standard);

        Assert.Equal(expected, result.Status);
        Assert.Contains(result.Findings, finding => finding.Kind == FindingKind.KeyCopies && finding.Text.Contains(_lab["backup"], StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_plain_image_has_no_keys_to_erase()
    {
        string path = WipeLab.WriteThrough(_lab["plain.img"], WipeLab.Noise(MiB));
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => _lab.WipeAsync(path, "CryptoErase-Zero"));
        Assert.Equal(ErrorIds.NotEncrypted, error.ErrorId);
        Assert.Equal(WipeLab.Noise(MiB), File.ReadAllBytes(path));
        Assert.False(File.Exists(path + ".wipe-journal"));
    }

    [Fact]
    public async Task A_stop_in_the_pass_behind_it_forgets_nothing_of_the_keys()
    {
        string path = MakeLuks("32M");
        WipeResult stopped = await _lab.StopAsync(path, "CryptoErase-Random", 4 * MiB);
        Assert.Equal((WipeStatus.Interrupted, 1), (stopped.Status, stopped.Keys!.SlotsDestroyed));

        WipeResult result = await _lab.Service.ResumeAsync(path, null, null, TestContext.Current.CancellationToken);

        Assert.Equal((WipeStatus.Erased, 1), (result.Status, result.Resumes));
        Assert.Equal(stopped.Keys, result.Keys);
        Assert.Contains(FindingKind.KeyCopies, result.Findings.Select(finding => finding.Kind));
        Assert.Single(File.ReadLines(_lab.Configuration["audit.log"]), line => line.Contains("Wipe.EraseKeys", StringComparison.Ordinal));
    }

    private string MakeLuks(string size, string version = "luks1")
    {
        string path = _lab["secret.img"];
        File.WriteAllText(_lab["key"], "secret");
        Tools.Run("truncate", "--size", size, path);
        Tools.Run(
            "cryptsetup", "luksFormat", "--batch-mode", "--type", version, "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", _lab["key"], path);
        Tools.Run("fallocate", "--length", size, path);
        return path;
    }
}
