using System.Text;

namespace VmCrypt.Interop.Tests.Luks;

/// <summary>QEMU's tools on a raw LUKS disk.</summary>
internal sealed class QemuLuks(Scratch scratch)
{
    /// <summary>Makes a disk of theirs; takes a second or two, for QEMU measures even the least iteration time.</summary>
    public LuksDisk Create(string options, string passphrase = LuksDisk.Passphrase)
    {
        string path = scratch[$"{Guid.NewGuid():N}.luks"];
        Tools.RunQemuImg("create", "-q", "-f", "luks", "--object", Secret("sec0", passphrase),
            "-o", $"key-secret=sec0,iter-time=10,{options}", path, LuksDisk.PayloadLength.ToString());
        return new LuksDisk(path);
    }

    /// <summary>Runs qemu-io commands on the plain payload; a pattern that does not match fails the test.</summary>
    public void Io(LuksDisk disk, string passphrase, params string[] commands)
    {
        string output = Tools.Run("qemu-io",
            ["--object", Secret("sec0", passphrase), "--image-opts", Node(disk, "sec0"), .. commands.SelectMany(command => new[] { "-c", command })]);
        Assert.DoesNotContain("verification failed", output, StringComparison.OrdinalIgnoreCase);
    }

    public bool Opens(LuksDisk disk, string passphrase) =>
        Tools.TryRun("qemu-io", "--object", Secret("sec0", passphrase), "-r", "--image-opts", Node(disk, "sec0"), "-c", "length").ExitCode == 0;

    /// <summary>True if the header pleases QEMU, whatever the passphrase.</summary>
    public bool Describes(LuksDisk disk) => Tools.TryRun("qemu-img", "info", "--image-opts", $"driver=luks,file.filename={disk.Path}").ExitCode == 0;

    public byte[] Plain(LuksDisk disk, string passphrase)
    {
        string raw = scratch[$"{Guid.NewGuid():N}.raw"];
        Tools.Run("qemu-img", "convert", "--object", Secret("sec0", passphrase), "--image-opts", Node(disk, "sec0"), "-O", "raw", raw);
        return File.ReadAllBytes(raw);
    }

    public void AddKey(LuksDisk disk, string passphrase, string added) => Tools.RunQemuImg("amend",
        "--object", Secret("sec0", passphrase), "--object", Secret("new", added), "--image-opts", Node(disk, "sec0"),
        "-o", "state=active,new-secret=new,iter-time=10");

    public void EraseSlot(LuksDisk disk, string passphrase, int slot) => Tools.RunQemuImg("amend",
        "--object", Secret("sec0", passphrase), "--image-opts", Node(disk, "sec0"), "-o", $"state=inactive,keyslot={slot}");

    private static string Node(LuksDisk disk, string secret) => $"driver=luks,key-secret={secret},file.filename={disk.Path}";

    private string Secret(string id, string passphrase) =>
        $"secret,id={id},file={scratch.File($"{Guid.NewGuid():N}.secret", Encoding.UTF8.GetBytes(passphrase))}";
}
