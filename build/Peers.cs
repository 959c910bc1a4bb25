namespace VmCrypt.Build;

/// <summary>The real tools against which we test, installed where that is possible; what cannot be had makes its tests skip aloud.</summary>
internal static class Peers
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(15);

    private static readonly string[] s_packages =
    [
        "qemu-utils", "qemu-system-x86", "qemu-block-extra", "libvirt-daemon-system", "libvirt-clients", "cryptsetup-bin",
        "nbdkit", "libnbd-bin", "busybox-static", "kmod", "cpio", "linux-image-amd64", "e2fsprogs", "zstd", "openssl", "argon2", "libxml2-utils",
        "scrub", "nwipe", "strace", "btrfs-progs", "xfsprogs", "dmsetup",
        "clevis", "clevis-luks", "clevis-tpm2", "jose", "tang-common", "tpm2-tools", "swtpm", "libtss2-tcti-swtpm0", "postgresql",
    ];

    public static void InstallAll() => Install(s_packages);

    /// <summary>Installs those that are missing, where that is possible.</summary>
    public static void Install(string[] packages)
    {
        if (Tool.Find("apt-get") is null || Tool.Find("dpkg-query") is null)
        {
            Console.WriteLine("peers: no apt-get here; the tests of missing tools will skip");
            return;
        }

        string[] missing = [.. packages.Where(package => !IsInstalled(package))];
        if (missing.Length == 0)
        {
            return;
        }

        Console.WriteLine($"peers: missing {string.Join(' ', missing)}");
        if (!Environment.IsPrivilegedProcess)
        {
            Console.WriteLine("peers: only root may install them; their tests will skip");
            return;
        }

        Environment.SetEnvironmentVariable("DEBIAN_FRONTEND", "noninteractive");
        _ = Apt("update");
        if (!TryInstall(missing))
        {
            // One package that this distribution lacks must not cost us all the others.
            foreach (string package in missing)
            {
                _ = TryInstall(package);
            }
        }
    }

    private static bool TryInstall(params string[] packages) => Apt(["install", "--yes", "--no-install-recommends", .. packages]);

    private static bool IsInstalled(string package) =>
        Tool.Capture(s_limit, "dpkg-query", "--show", "--showformat=${Status}", package).Output == "install ok installed";

    private static bool Apt(params string[] arguments)
    {
        Console.WriteLine($"peers: apt-get {string.Join(' ', arguments)}");
        (int exitCode, string output) = Tool.Capture(s_limit, "apt-get", ["-qq", .. arguments]);
        if (exitCode != 0)
        {
            Console.WriteLine($"peers: apt-get ended with {exitCode}: {output.Trim()}");
        }

        return exitCode == 0;
    }
}
