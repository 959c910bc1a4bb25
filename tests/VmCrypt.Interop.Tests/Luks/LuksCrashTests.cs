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

    /// <summary>Changes of a LUKS2 disk with slots 0 ("keeper") and 1 ("old") and a token; the passphrases of which one must always open.</summary>
    public static TheoryData<string, string[], Func<LuksHeader, VolumeKey, Task>> Luks2Changes => new()
    {
        { "add a slot", ["old"], async (header, key) => await header.AddSlotAsync(key, Secret("new"), null, LuksDisk.Quick.Cost, Token) },
        { "add a slot with its token", ["old"], async (header, key) => await header.AddSlotWithTokenAsync(key, Secret("new"), null, LuksDisk.Quick.Cost, """{"type":"clevis","keyslots":[]}""", Token) },
        { "change a slot", ["old", "new"], async (header, key) => await header.ChangeSlotAsync(key, 1, Secret("new"), LuksDisk.Quick.Cost, null, Token) },
        { "remove a slot", ["keeper"], async (header, _) => await header.RemoveSlotAsync(1, false, Token) },
        { "set a token", ["old"], async (header, _) => await header.SetTokenAsync(0, """{"type":"y","keyslots":["0"]}""", Token) },
        { "set a label", ["old"], async (header, _) => await header.SetLabelAsync("new", null, Token) },
    };

    /// <remarks>cryptsetup repairs what it opens, so each state is a file of its own; what it has repaired we open again.</remarks>
    [Theory]
    [MemberData(nameof(Luks2Changes))]
    public async Task After_each_write_of_a_change_of_LUKS2_cryptsetup_opens_what_opened_before(
        string name, string[] passphrases, Func<LuksHeader, VolumeKey, Task> change)
    {
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.QuickLuks2, "keeper");
        await disk.AddAsync("keeper", "old");
        await disk.ChangeAsync("keeper", async (header, _) => await header.AddTokenAsync("""{"type":"x","keyslots":["1"]}""", null, Token));
        DiskHistory history = await DiskHistory.RecordAsync(File.ReadAllBytes(disk.Path), async device =>
        {
            LuksHeader header = await LuksHeader.OpenAsync(device, LuksOpenOptions.Default, Token);
            using SecretBuffer keeper = LuksDisk.Secret("keeper");
            using VolumeKey key = (await header.UnlockAsync(keeper, null, Token)).Key;
            await change(header, key);
        });

        // The passes that erase are all alike.
        foreach (int count in Enumerable.Range(0, Math.Min(history.Count, 13)).Append(history.Count))
        {
            var crashed = new LuksDisk(_scratch.File($"{Guid.NewGuid():N}.luks", history.After(count).ToArray()));
            Assert.True(_cryptsetup.Opens(crashed, "keeper"), $"keeper to cryptsetup after {count} effects of '{name}'");
            Assert.True(Array.Exists(passphrases, passphrase => _cryptsetup.Opens(crashed, passphrase)), $"{name}: none after {count} effects");
            Assert.Equal(0, await crashed.SlotOfAsync("keeper"));
            File.Delete(crashed.Path);
        }
    }

    /// <summary>Copies that differ: of another sequence id, torn in the text or in the binary part, or gone.</summary>
    [Theory]
    [InlineData(0, "behind")]
    [InlineData(1, "behind")]
    [InlineData(0, "torn")]
    [InlineData(1, "torn")]
    [InlineData(0, "gone")]
    [InlineData(1, "gone")]
    public async Task Copies_that_differ_are_repaired_to_the_same_by_both(int copy, string state)
    {
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.QuickLuks2, "keeper");
        byte[] before = File.ReadAllBytes(disk.Path);
        await disk.AddAsync("keeper", "new");
        byte[] after = File.ReadAllBytes(disk.Path);
        byte[] broken = [.. after];
        int start = copy * 0x4000;
        (Range Place, byte[] From) damage = state switch
        {
            "behind" => (start..(start + 0x4000), before),
            "torn" => ((start + 4096 + 512)..(start + 4096 + 1024), before),
            _ => (start..(start + 0x4000), new byte[before.Length]),
        };
        damage.From.AsSpan(damage.Place).CopyTo(broken.AsSpan(damage.Place));
        var ours = new LuksDisk(_scratch.File("ours.luks", [.. broken]));
        var theirs = new LuksDisk(_scratch.File("theirs.luks", [.. broken]));

        Assert.Equal(1, await ours.SlotOfAsync("new"));
        Assert.Equal(broken, File.ReadAllBytes(ours.Path));
        await ours.ChangeAsync("new", async (header, _) => await header.RepairAsync(Token) ? 1 : 0);
        Assert.True(_cryptsetup.Opens(theirs, "new"));

        // But for the salt of the copy that was written anew, and so its checksum.
        Assert.Equal(Unsalted(File.ReadAllBytes(theirs.Path)), Unsalted(File.ReadAllBytes(ours.Path)));
        Assert.Equal(Unsalted(after), Unsalted(File.ReadAllBytes(ours.Path)));

        byte[] Unsalted(byte[] bytes)
        {
            bytes.AsSpan(start + 104, 64).Clear();
            bytes.AsSpan(start + 448, 64).Clear();
            return bytes[..0x8000];
        }
    }

    public void Dispose() => _scratch.Dispose();

    private static SecretBuffer Secret(string text) => LuksDisk.Secret(text);
}
