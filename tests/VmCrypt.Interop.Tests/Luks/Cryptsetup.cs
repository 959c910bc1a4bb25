using System.Text.Json.Nodes;

namespace VmCrypt.Interop.Tests.Luks;

/// <summary>cryptsetup, as quick as it can be made; passphrases go in as key files, so that no newline is cut off.</summary>
internal sealed class Cryptsetup(Scratch scratch)
{
    private static readonly string[] s_quick = ["-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];

    /// <summary>The least that cryptsetup accepts of Argon2.</summary>
    public static string[] QuickArgon2(string kind, int memoryKiB = 32, int lanes = 1) =>
        ["-q", "--pbkdf", kind, "--pbkdf-force-iterations", "4", "--pbkdf-memory", memoryKiB.ToString(), "--pbkdf-parallel", lanes.ToString()];

    /// <summary>Makes a LUKS1 disk of theirs with room for a payload.</summary>
    public LuksDisk Format(string cipher, int keyBits, string hash, string passphrase = LuksDisk.Passphrase, params string[] more)
    {
        string path = scratch.File($"{Guid.NewGuid():N}.luks", new byte[(4096 * 512) + LuksDisk.PayloadLength]);
        Tools.Run("cryptsetup",
            ["luksFormat", "--type", "luks1", .. s_quick, "-c", cipher, "-s", keyBits.ToString(), "-h", hash, .. more, path, KeyFile(passphrase)]);
        return new LuksDisk(path);
    }

    /// <summary>Makes a LUKS2 disk of theirs with room for a payload.</summary>
    /// <param name="more">Options; with some for the key derivation, those are all.</param>
    public LuksDisk FormatLuks2(params string[] more) => FormatLuks2(detached: false, more);

    /// <summary>The same; where the header is detached it is the disk, and the payload is forgotten.</summary>
    public LuksDisk FormatLuks2(bool detached, params string[] more)
    {
        string path = Sparse((32 << 20) + LuksDisk.PayloadLength);
        string header = detached ? Sparse(10 << 20) : path;
        string[] place = detached ? ["--header", header] : [];
        string[] cost = more.Contains("--pbkdf") ? ["-q"] : s_quick;
        Tools.Run("cryptsetup", ["luksFormat", "--type", "luks2", .. cost, .. more, .. place, path, KeyFile(LuksDisk.Passphrase)]);
        return new LuksDisk(header);
    }

    public bool Opens(LuksDisk disk, string passphrase, params string[] more) =>
        Tools.TryRun("cryptsetup", ["open", "--test-passphrase", "--key-file", KeyFile(passphrase), .. more, disk.Path]).ExitCode == 0;

    public string Dump(LuksDisk disk) => Tools.Run("cryptsetup", "luksDump", disk.Path);

    /// <summary>The metadata of a LUKS2 disk as cryptsetup understands it.</summary>
    public JsonNode Json(LuksDisk disk) => JsonNode.Parse(Tools.Run("cryptsetup", "luksDump", "--dump-json-metadata", disk.Path))!;

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

    private string Sparse(long length)
    {
        string path = scratch.File($"{Guid.NewGuid():N}.luks", []);
        using FileStream file = File.OpenWrite(path);
        file.SetLength(length);
        return path;
    }
}
