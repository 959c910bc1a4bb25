namespace VmCrypt.Build;

/// <summary>Encrypted disks on a real Ceph: not among the other tests, because it installs and starts a cluster.</summary>
internal static class CephTest
{
    private static readonly string[] s_packages = ["ceph-mon", "ceph-osd", "ceph-common", "qemu-block-extra", "qemu-utils", "qemu-system-x86", "libvirt-daemon-system", "libvirt-clients"];

    public static int Run()
    {
        Peers.Install(s_packages);
        ProductBuild.Run();
        using CephCluster cluster = CephCluster.Start();
        Console.WriteLine($"ceph: {cluster.ConfigFile}");
        Environment.SetEnvironmentVariable("VMCRYPT_TEST_CEPH", cluster.ConfigFile);
        Environment.SetEnvironmentVariable("VMCRYPT_TEST_CEPH_HOST", CephCluster.Host);
        Outcome outcome = Pester.Run(Directory.CreateDirectory(Path.Combine(Layout.Output, "test-results")).FullName, "ceph");
        Console.WriteLine(outcome);
        return outcome is { Failed: 0, Passed: > 0 } ? 0 : 1;
    }
}
