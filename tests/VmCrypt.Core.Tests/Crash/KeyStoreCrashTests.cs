using VmCrypt.Core.Block;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Keys.Store.Files;
using VmCrypt.Core.Tests.Keys.Store;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Crash;

/// <summary>A change of the key store stopped after every write: the state before or the one after, and it can be gone on with.</summary>
public sealed class KeyStoreCrashTests
{
    private const int Seeds = 40;

    [Fact]
    public async Task An_append_is_made_or_not()
    {
        using StoreKey key = StoreSample.Key();
        var before = new MemoryDevice(StoreSample.Build(key, entries: 3));
        await StoreSample.ChangeAsync(before, key, Put(StoreSample.Entry(key, 10)));
        DiskHistory history = await DiskHistory.RecordAsync(before.ToArray(), device => StoreSample.ChangeAsync(device, key,
            Put(StoreSample.Entry(key, 11, secretLength: 3000)), new KeyChange.Remove(StoreSample.Entry(key, 0).Id)));

        string[] old = ["/vm/0.qcow2", "/vm/1.qcow2", "/vm/10.qcow2", "/vm/2.qcow2"];
        string[] made = ["/vm/1.qcow2", "/vm/10.qcow2", "/vm/11.qcow2", "/vm/2.qcow2"];
        for (int crash = 0; crash <= history.Count; crash++)
        {
            await CheckAsync(history.After(crash), crash, seed: null);
            for (int seed = 0; seed < Seeds; seed++)
            {
                await CheckAsync(history.AfterPowerCut(crash, seed), crash, seed);
            }
        }

        async Task CheckAsync(MemoryDevice disk, int crash, int? seed)
        {
            string[] paths = await PathsAsync(disk, key);
            Assert.True(paths.SequenceEqual(crash == history.Count ? made : old) || (crash < history.Count && paths.SequenceEqual(made)),
                $"crash after {crash}, seed {seed}: {string.Join(' ', paths)}");
            await StoreSample.ChangeAsync(disk, key, Put(StoreSample.Entry(key, 12)));
            Assert.Equal(paths.Append("/vm/12.qcow2").Order(StringComparer.Ordinal), await PathsAsync(disk, key));
        }
    }

    [Fact]
    public async Task What_an_interrupted_append_left_behind_the_end_counts_for_nothing()
    {
        using StoreKey key = StoreSample.Key();
        byte[] file = StoreSample.Build(key, entries: 2);
        var random = new Random(1);
        for (int length = 1; length < 300; length += 13)
        {
            byte[] rest = new byte[length];
            random.NextBytes(rest);
            var disk = new MemoryDevice([.. file, .. rest]);
            Assert.Equal(2, (await StoreSample.ListAsync(disk, key)).Count);
            await StoreSample.ChangeAsync(disk, key, Put(StoreSample.Entry(key, 5)));
            Assert.Equal(3, (await StoreSample.ListAsync(disk, key)).Count);
        }
    }

    [Fact]
    public async Task A_file_that_is_written_anew_appears_whole_or_not_at_all()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        await folder.RegisterAsync("web");
        string leftover = folder.Configuration[$".{KeyStoreFile.FileName}.0123abcd.partial"];
        File.WriteAllBytes(leftover, File.ReadAllBytes(folder.File)[..5000]);

        await folder.RegisterAsync("db");

        Assert.Equal(2, (await folder.Store.ListAsync(Sample.Token)).Count);
    }

    private static KeyChange.Put Put(DiskKeyEntry entry) => new(entry);

    private static async Task<string[]> PathsAsync(IBlockDevice disk, StoreKey key) =>
        [.. (await StoreSample.ListAsync(disk, key)).Select(entry => entry.Disk.Path).Order(StringComparer.Ordinal)];
}
