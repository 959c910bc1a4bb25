using VmCrypt.Core.Buffers;
using VmCrypt.Core.Luks;

namespace VmCrypt.Interop.Tests.Luks;

/// <summary>What a stopped change leaves is a disk to the peers too.</summary>
public sealed class LuksCrashTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly Cryptsetup _cryptsetup;
    private readonly QemuLuks _qemu;

    public LuksCrashTests()
    {
        _cryptsetup = new Cryptsetup(_scratch);
        _qemu = new QemuLuks(_scratch);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(6)]
    public async Task After_each_write_of_a_change_the_peers_open_by_the_old_or_the_new_passphrase(int slot)
    {
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.Quick, "keeper");
        await disk.AddAsync("keeper", "old", slot);
        DiskHistory history = await DiskHistory.RecordAsync(File.ReadAllBytes(disk.Path), async device =>
        {
            LuksHeader header = await LuksHeader.OpenAsync(device, LuksOpenOptions.Default, Token);
            using SecretBuffer old = LuksDisk.Secret("old");
            using SecretBuffer replacement = LuksDisk.Secret("new");
            Unlocked unlocked = await header.UnlockAsync(old, null, Token);
            using VolumeKey key = unlocked.Key;
            await header.ChangeSlotAsync(key, unlocked.Slot, replacement, LuksDisk.Quick.Cost, prove: null, Token);
        });

        bool changed = false;
        foreach (int count in Enumerable.Range(0, 13).Append(history.Count))
        {
            File.WriteAllBytes(disk.Path, history.After(count).ToArray());
            foreach (Func<LuksDisk, string, bool> opens in new[] { (d, p) => _cryptsetup.Opens(d, p), _qemu.Opens })
            {
                changed = opens(disk, "new");
                Assert.True(opens(disk, "keeper"), $"keeper after {count} effects");
                Assert.True(changed || opens(disk, "old"), $"neither after {count} effects");
            }
        }

        Assert.True(changed);
    }

    public void Dispose() => _scratch.Dispose();
}
