namespace VmCrypt.Interop.Tests.Luks;

/// <summary>cryptsetup, as quick as it can be made; passphrases go in as key files, so that no newline is cut off.</summary>
internal sealed class Cryptsetup(Scratch scratch)
{
    private static readonly string[] s_quick = ["-q", "--pbkdf-force-iterations", "1000"];

    /// <summary>Makes a LUKS1 disk of theirs with room for a payload.</summary>
    public LuksDisk Format(string cipher, int keyBits, string hash, string passphrase = LuksDisk.Passphrase, params string[] more)
    {
        string path = scratch.File($"{Guid.NewGuid():N}.luks", new byte[(4096 * 512) + LuksDisk.PayloadLength]);
        Tools.Run("cryptsetup",
            ["luksFormat", "--type", "luks1", .. s_quick, "-c", cipher, "-s", keyBits.ToString(), "-h", hash, .. more, path, KeyFile(passphrase)]);
        return new LuksDisk(path);
    }

    public bool Opens(LuksDisk disk, string passphrase, params string[] more) =>
        Tools.TryRun("cryptsetup", ["open", "--test-passphrase", "--key-file", KeyFile(passphrase), .. more, disk.Path]).ExitCode == 0;

    public string Dump(LuksDisk disk) => Tools.Run("cryptsetup", "luksDump", disk.Path);

    public byte[] VolumeKey(LuksDisk disk, string passphrase = LuksDisk.Passphrase)
    {
        string file = scratch[$"{Guid.NewGuid():N}.vk"];
        Tools.Run("cryptsetup",
            "luksDump", "-q", "--dump-volume-key", "--volume-key-file", file, "--key-file", KeyFile(passphrase), disk.Path);
        return File.ReadAllBytes(file);
    }

    public void AddKey(LuksDisk disk, string passphrase, string added) =>
        Tools.Run("cryptsetup", ["luksAddKey", .. s_quick, "--key-file", KeyFile(passphrase), disk.Path, KeyFile(added)]);

    public void ChangeKey(LuksDisk disk, string passphrase, string changed) =>
        Tools.Run("cryptsetup", ["luksChangeKey", .. s_quick, "--key-file", KeyFile(passphrase), disk.Path, KeyFile(changed)]);

    public void KillSlot(LuksDisk disk, int slot, string remaining) =>
        Tools.Run("cryptsetup", "luksKillSlot", "-q", "--key-file", KeyFile(remaining), disk.Path, slot.ToString());

    public string KeyFile(string passphrase) => scratch.File($"{Guid.NewGuid():N}.key", System.Text.Encoding.UTF8.GetBytes(passphrase));
}
