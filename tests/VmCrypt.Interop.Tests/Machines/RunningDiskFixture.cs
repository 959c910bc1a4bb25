using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Stack;

namespace VmCrypt.Interop.Tests.Machines;

/// <summary>An encrypted disk, and the QEMU arguments that open it.</summary>
internal static class RunningDiskFixture
{
    public const string NodeName = "disk0";

    public static async Task<RunningDisk> MakeAsync(Scratch scratch, ImageFormat format, string passphrase, long size = 8 << 20)
    {
        var plan = new NewDisk { Size = size, Format = format, Encryption = LuksFormatOptions.Default with { Cost = KdfCost.OfIterations(1000) } };
        var location = DiskLocation.Parse(scratch[$"disk.{format}"]);
        using SecretBuffer secret = Secret(passphrase);
        await DiskFile.CreateAsync(new DiskTarget { Location = location }, plan, secret, fill: null, TestContext.Current.CancellationToken);
        return new RunningDisk(location, DiskOpenOptions.Default);
    }

    /// <summary>The secret object and the nodes of the disk.</summary>
    public static string[] Arguments(Scratch scratch, RunningDisk disk, ImageFormat format, string passphrase)
    {
        QemuObject secret = QemuSecrets.FromFile("key", scratch.File("key", Encoding.UTF8.GetBytes(passphrase)));
        string driver = format == ImageFormat.Raw ? "luks,key-secret=key" : "qcow2,encrypt.format=luks,encrypt.key-secret=key";
        return ["-object", secret.Argument, "-blockdev", $"driver={driver},node-name={NodeName},file.driver=file,file.filename={disk.Location}"];
    }

    public static DiskKeys Keys(string passphrase) => new(Secret(passphrase));

    public static NewKeySlot NewSlot(string passphrase) => new(Secret(passphrase), KdfCost.OfTime(TimeSpan.FromMilliseconds(10)));

    private static SecretBuffer Secret(string text) => SecretBuffer.CopyOf(Encoding.UTF8.GetBytes(text));
}
