using System.Diagnostics;

namespace VmCrypt.Build;

/// <summary>A real Ceph on this machine alone: one monitor, one BlueStore OSD on a sparse file, cephx, loopback only; gone when disposed.</summary>
/// <remarks>Needs root, because the daemons want it so. There is no manager, which RBD does not need.</remarks>
internal sealed class CephCluster : IDisposable
{
    private const string MonitorV1 = "127.0.0.1:16789";
    private const string Monitors = $"[v2:127.0.0.1:13300,v1:{MonitorV1}]";

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(2);

    private readonly string _folder;

    private CephCluster(string folder)
    {
        _folder = folder;
    }

    public string ConfigFile => In("ceph.conf");

    /// <summary>Where libvirt's definitions find the monitor.</summary>
    public static string Host => MonitorV1;

    /// <summary>Starts the cluster and makes the pool <c>rbd</c> and the user <c>client.libvirt</c>.</summary>
    public static CephCluster Start()
    {
        var cluster = new CephCluster(Directory.CreateTempSubdirectory("vmcrypt-ceph-").FullName);
        try
        {
            string id = Guid.NewGuid().ToString("D");
            cluster.Configure(id);
            cluster.StartMonitor(id);
            cluster.StartStorage();
            cluster.MakePool();
            return cluster;
        }
        catch
        {
            cluster.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        try
        {
            foreach (string file in Directory.EnumerateFiles(_folder, "*.pid", SearchOption.AllDirectories))
            {
                Stop(int.Parse(File.ReadAllText(file)));
            }

            Directory.Delete(_folder, recursive: true);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or FormatException)
        {
            // Not thrown: what led here may be an error on its way, which says more.
            Console.Error.WriteLine($"ceph: what is in {_folder} is not cleared away: {fault.Message}");
        }
    }

    private void Configure(string id)
    {
        foreach (string folder in (string[])["mon", "osd", "run", "log"])
        {
            Directory.CreateDirectory(In(folder));
        }

        File.WriteAllText(ConfigFile, $"""
            [global]
            fsid = {id}
            mon_host = {Monitors}
            public_network = 127.0.0.0/8
            auth_cluster_required = cephx
            auth_service_required = cephx
            auth_client_required = cephx
            osd_pool_default_size = 1
            osd_pool_default_min_size = 1
            mon_allow_pool_size_one = true
            osd_crush_chooseleaf_type = 0
            osd_objectstore = bluestore
            bluestore_block_size = 4294967296
            osd_memory_target = 939524096
            mon_data = {In("mon")}
            osd_data = {In("osd")}
            run_dir = {In("run")}
            pid_file = {In("run")}/$name.pid
            admin_socket = {In("run")}/$name.asok
            log_file = {In("log")}/$name.log
            [client]
            keyring = {In("keyring")}
            admin_socket =

            """);
    }

    private void StartMonitor(string id)
    {
        Ceph("ceph-authtool", "--create-keyring", In("keyring"), "--gen-key", "-n", "mon.", "--cap", "mon", "allow *");
        Ceph("ceph-authtool", In("keyring"), "--gen-key", "-n", "client.admin", "--cap", "mon", "allow *", "--cap", "osd", "allow *");
        Ceph("monmaptool", "--create", "--addv", "a", Monitors, "--fsid", id, In("monmap"));
        Ceph("ceph-mon", "--conf", ConfigFile, "--mkfs", "-i", "a", "--monmap", In("monmap"), "--keyring", In("keyring"));
        Ceph("ceph-mon", "--conf", ConfigFile, "-i", "a");
    }

    private void StartStorage()
    {
        string id = Guid.NewGuid().ToString("D");
        string key = Ceph("ceph-authtool", "--gen-print-key").Split('\n')[0].Trim();
        File.WriteAllText(In("osd.json"), $$"""{"cephx_secret": "{{key}}"}""");
        string number = Ceph("ceph", "--conf", ConfigFile, "osd", "new", id, "-i", In("osd.json")).Split('\n')[0].Trim();
        Ceph("ceph-authtool", "--create-keyring", Path.Combine(In("osd"), "keyring"), "-n", $"osd.{number}", "--add-key", key);
        Ceph("ceph-osd", "--conf", ConfigFile, "-i", number, "--mkfs", "--osd-uuid", id);
        Ceph("ceph-osd", "--conf", ConfigFile, "-i", number);
        Until(() => Ceph("ceph", "--conf", ConfigFile, "osd", "stat").Contains("1 up", StringComparison.Ordinal), "the OSD did not come up");
    }

    private void MakePool()
    {
        Ceph("ceph", "--conf", ConfigFile, "osd", "pool", "create", "rbd", "8");
        Ceph("rbd", "--conf", ConfigFile, "pool", "init", "rbd");
        Ceph("ceph", "--conf", ConfigFile, "auth", "get-or-create", "client.libvirt", "mon", "profile rbd", "osd", "profile rbd");
    }

    private string In(string name) => Path.Combine(_folder, name);

    private static string Ceph(string program, params string[] arguments)
    {
        (int exitCode, string output) = Tool.Capture(s_limit, program, arguments);
        return exitCode == 0 ? output : throw new BuildException($"{program} {string.Join(' ', arguments)} ended with {exitCode}: {output.Trim()}");
    }

    private static void Until(Func<bool> reached, string otherwise)
    {
        var clock = Stopwatch.StartNew();
        while (!reached())
        {
            if (clock.Elapsed > s_limit)
            {
                throw new BuildException(otherwise);
            }

            Thread.Sleep(500);
        }
    }

    private static void Stop(int number)
    {
        try
        {
            using var daemon = Process.GetProcessById(number);
            daemon.Kill();
            daemon.WaitForExit(s_limit);
        }
        catch (ArgumentException)
        {
            // It has ended by itself.
        }
    }
}
