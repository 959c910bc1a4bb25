using VmCrypt.Interop.Tests.Kill;

namespace VmCrypt.Interop.Tests.Nbd;

/// <summary>What an export does that nobody could find.</summary>
public sealed class ExportNoticeTests : IDisposable
{
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void An_export_that_cannot_be_announced_is_stopped()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the runtime folder of others cannot be named");
        string key = _scratch.File("key", "first"u8);
        string image = _scratch["disk.luks"];
        Vmcrypt.Run("New-EncryptedImage", image, "4MB", "-Format", "Raw", "-KeyFile", key, "-Iterations", "1000");
        Tools.Run("chmod", "-R", "a+rwX", _scratch.Folder);
        string[] command = ["env", "XDG_RUNTIME_DIR=/dev/null", "dotnet", "exec", Vmcrypt.Program, "Unlock-Image", image, "-KeyFile", key, "-Socket", _scratch["socket"]];

        // The runtime folder of root is where it is.
        (int exitCode, string output, string error) = Environment.IsPrivilegedProcess
            ? Tools.TryRun("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", .. command])
            : Tools.TryRun(command[0], command[1..]);

        Assert.True(exitCode != 0 && error.Contains("/dev/null", StringComparison.Ordinal), $"{exitCode}: {output}{error}");
        Assert.False(File.Exists(_scratch["socket"]));
    }
}
