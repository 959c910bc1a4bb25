using VmCrypt.Interop.Tests.Libvirt;

[assembly: AssemblyFixture(typeof(Libvirtd))]

namespace VmCrypt.Interop.Tests.Libvirt;

/// <summary>A libvirt daemon to talk to: the host's own, or one that runs until the last of all tests, which share it.</summary>
public sealed class Libvirtd : IDisposable
{
    internal const string Connection = "qemu:///system";

    private readonly List<string> _pidFiles = [];
    private readonly Lock _starting = new();

    /// <summary>Runs virsh against it, or skips the test where there is no daemon and none can be started.</summary>
    internal string Virsh(params string[] arguments)
    {
        Require();
        return Tools.Run("virsh", ["-q", "-c", Connection, .. arguments]);
    }

    /// <summary>Skips the test where there is no daemon and none can be started.</summary>
    internal void Require()
    {
        Tools.Require("virsh");
        lock (_starting)
        {
            if (!Answers())
            {
                Start();
            }
        }
    }

    public void Dispose()
    {
        foreach (string pidFile in _pidFiles.Where(File.Exists))
        {
            Tools.TryRun("kill", File.ReadAllText(pidFile).Trim());
        }
    }

    private void Start()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "no libvirt daemon answers, and only root may start one");
        foreach (string daemon in (string[])["virtlogd", "libvirtd"])
        {
            string pidFile = Path.Combine(Path.GetTempPath(), $"vmcrypt-{daemon}-{Guid.NewGuid():N}.pid");
            _pidFiles.Add(pidFile);
            Tools.TryRun(daemon, "--daemon", "--pid-file", pidFile);
        }

        Assert.SkipUnless(SpinWait.SpinUntil(Answers, TimeSpan.FromSeconds(10)), "libvirtd cannot be started here");
    }

    private static bool Answers() => Tools.TryRun("virsh", "-q", "-c", Connection, "version").ExitCode == 0;
}
