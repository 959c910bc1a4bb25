using System.Diagnostics;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Keys.Store.Files;
using VmCrypt.Core.Keys.Store.Protectors;

namespace VmCrypt.Bench;

/// <summary>What a look-up among 100,000 keys takes: each opens the file anew and checks all that it reads, as a command does.</summary>
internal sealed class KeyStoreBench : IBench, IDisposable
{
    private const int Entries = 100_000;
    private const int Calls = 2_000;

    private readonly BenchFolder _folder = new();

    public string Name => "key-store";

    public IEnumerable<Figure> Run() => RunAsync().GetAwaiter().GetResult();

    public void Dispose() => _folder.Dispose();

    private async Task<IReadOnlyList<Figure>> RunAsync()
    {
        var configuration = new ConfigurationFolder(_folder["config"]);
        configuration.Create();
        var id = Guid.NewGuid();
        using var key = new StoreKey(SecretBuffer.Random(StoreKey.Size), id);
        KeyProtector protector = await KeyProtection.MakeAsync(NewKeyProtector.OfKeyFile(_folder["store.key"]), id, key.Raw, DateTimeOffset.UtcNow, default);
        var store = new KeyStoreFile(configuration);
        var head = new KeyStoreHead(id, [protector]);
        await File.WriteAllBytesAsync(configuration[KeyStoreFile.FileName], KeyStoreWriter.Build(head, [.. Enumerable.Range(0, Entries).Select(number => Entry(key, number))], changes: 0, key));
        File.SetUnixFileMode(configuration[KeyStoreFile.FileName], UnixFileMode.UserRead | UnixFileMode.UserWrite);

        List<double> paths = [], vms = [], uses = [];
        for (int call = 0; call < Calls; call++)
        {
            int number = call * 7919 % Entries;
            IReadOnlyList<DiskKeyEntry> found = [];
            paths.Add(await TimeAsync(async () => found = await store.FindAsync(LookupTerm.OfPath(PathOf(number)), key, default)));
            vms.Add(await TimeAsync(async () => _ = await store.FindAsync(LookupTerm.OfVM($"vm{number}"), key, default)));
            if (call < Calls / 10)
            {
                uses.Add(await TimeAsync(() => store.ChangeAsync(key, [new KeyChange.Use(found[0].Id, DateTimeOffset.UtcNow)], default)));
            }
        }

        return
        [
            UsbBench.Latency($"Key of a path among {Entries:N0}, median", UsbBench.Percentile(paths, 0.5), 1),
            UsbBench.Latency($"Key of a path among {Entries:N0}, 99 %", UsbBench.Percentile(paths, 0.99), 1),
            UsbBench.Latency($"Keys of a VM among {Entries:N0}, median", UsbBench.Percentile(vms, 0.5), 1),
            new Figure("Uses written down, durable", "1/s", 1000 / UsbBench.Percentile(uses, 0.5), "-", null, null),
        ];
    }

    private static DiskKeyEntry Entry(StoreKey key, int number)
    {
        var id = Guid.NewGuid();
        var disk = new DiskIdentity { Path = PathOf(number), LuksUuid = $"{Guid.NewGuid()}", VM = $"vm{number}", VMUuid = Guid.NewGuid(), Image = Guid.NewGuid() };
        using SecretBuffer secret = SecretBuffer.Random(32);
        return new DiskKeyEntry { Id = id, Revision = 1, Disk = disk, Created = DateTimeOffset.UtcNow, Current = key.Wrap(id, disk, SecretRole.Current, 0, secret) };
    }

    private static string PathOf(int number) => $"/var/lib/libvirt/images/pool{number % 50}/disk-{number}.qcow2";

    private static async Task<double> TimeAsync(Func<Task> call)
    {
        long start = Stopwatch.GetTimestamp();
        await call();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}
