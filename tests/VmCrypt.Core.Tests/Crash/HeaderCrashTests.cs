using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Crash;

/// <summary>Headers converted and restored as a whole, stopped after each write and flush, with the power on or off.</summary>
public sealed class HeaderCrashTests
{
    private const int Seeds = 2;

    private static readonly LuksFormatOptions s_luks1 = Sample.Options with { Cipher = CipherSpec.Parse("aes-cbc-plain64"), KeySize = 16, PayloadAlignment = 4096 };

    private static readonly LuksFormatOptions s_luks2 = s_luks1 with { Version = LuksVersion.Luks2, SectorSize = 512, KeyslotsSize = 10 * 65536 };

    /// <summary>The options, and the slots that are in use beside slot 0.</summary>
    public static TheoryData<string, int[]> Disks => new()
    {
        { "LUKS1", [] },
        { "LUKS1", [1, 2, 3, 4, 5, 6] },
        { "LUKS1", [1, 2, 3, 4, 5, 7] },
        { "LUKS2", [1, 6, 7] },
    };

    [Theory]
    [MemberData(nameof(Disks))]
    public async Task A_conversion_leaves_at_every_moment_a_header_that_all_passphrases_open(string start, int[] slots)
    {
        byte[] disk = await DiskAsync(start, slots);
        DiskHistory history = await DiskHistory.RecordAsync(disk, ConvertAsync);

        LuksVersion[] seen = [.. await ForEachCrashAsync(history, Seeds, async (header, _) =>
        {
            Assert.True(await OpensAllAsync(header, slots));
            return header.Version;
        })];

        Assert.Equal([LuksVersion.Luks1, LuksVersion.Luks2], seen.Distinct().Order());
        LuksHeader done = await Sample.OpenAsync(history.After(history.Count));
        Assert.Equal(start == "LUKS1" ? LuksVersion.Luks2 : LuksVersion.Luks1, done.Version);
        Assert.Null(done.Facts.DamagedCopy);
        Assert.Equal([0, .. slots], done.Slots.Where(slot => slot.IsActive).Select(slot => slot.Number));
    }

    [Theory]
    [MemberData(nameof(Disks))]
    public async Task A_conversion_that_was_cut_short_can_be_done_again(string start, int[] slots)
    {
        LuksVersion target = start == "LUKS1" ? LuksVersion.Luks2 : LuksVersion.Luks1;
        DiskHistory history = await DiskHistory.RecordAsync(await DiskAsync(start, slots), ConvertAsync);

        await ForEachCrashAsync(history, seeds: 0, async (header, device) =>
        {
            if (header.Version != target)
            {
                await ConvertAsync(device);
            }

            LuksHeader done = await Sample.OpenAsync(device);
            Assert.Equal(target, done.Version);
            Assert.True(await OpensAllAsync(done, slots));
            return 0;
        });
    }

    [Theory]
    [InlineData("LUKS1")]
    [InlineData("LUKS2")]
    public async Task A_restoration_that_was_cut_short_can_be_done_again_unforced_and_without_loss(string version)
    {
        byte[] disk = await DiskAsync(version, [1]);
        LuksHeaderBackup backup = await LuksHeaderBackup.ReadAsync(new MemoryDevice([.. disk]), LuksPlacement.Attached, Sample.Token);
        var changed = new MemoryDevice([.. disk]);
        LuksHeader header = await Sample.OpenAsync(changed);
        await header.ChangeAsync((await header.UnlockAsync(PassphraseOf(0))).Key, 0, "new");
        DiskHistory history = await DiskHistory.RecordAsync(
            changed.ToArray(), device => LuksHeaderRestore.WriteAsync(device, LuksPlacement.Attached, backup).AsTask());

        await ForEachCrashAsync(history, Seeds, async (left, device) =>
        {
            // Of LUKS2 one state or the other is whole at every moment.
            Assert.True(version == "LUKS1" || await left.OpensAsync(PassphraseOf(1)));
            LuksHeaderMatch.Require(left, backup.Header, force: false);
            await LuksHeaderMatch.RequireSameKeyAsync(left, backup.Header, null, Sample.Token);
            await LuksHeaderRestore.WriteAsync(device, LuksPlacement.Attached, backup);
            Assert.Equal(disk, device.ToArray());
            return 0;
        });
    }

    [Fact]
    public async Task A_destroyed_header_that_is_restored_is_there_when_its_magic_is()
    {
        byte[] disk = await DiskAsync("LUKS1", []);
        LuksHeaderBackup backup = await LuksHeaderBackup.ReadAsync(new MemoryDevice([.. disk]), LuksPlacement.Attached, Sample.Token);
        DiskHistory history = await DiskHistory.RecordAsync(
            new byte[disk.Length], device => LuksHeaderRestore.WriteAsync(device, LuksPlacement.Attached, backup).AsTask());

        foreach (MemoryDevice left in history.Crashes(Seeds).Where(left => LuksHeader.Probe(left.ToArray()) is not null))
        {
            Assert.True(await (await Sample.OpenAsync(left)).OpensAsync(PassphraseOf(0)));
        }
    }

    private static string PassphraseOf(int slot) => slot == 0 ? Sample.Passphrase : $"slot {slot}";

    private static async Task ConvertAsync(IBlockDevice device) =>
        await (await (await Sample.OpenAsync(device)).PlanConversionAsync(Sample.Token)).RunAsync(Sample.Token);

    private static async Task<byte[]> DiskAsync(string version, int[] slots)
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(version == "LUKS1" ? s_luks1 : s_luks2);
        foreach (int slot in slots)
        {
            await header.AddAsync(key, PassphraseOf(slot), slot);
        }

        return device.ToArray();
    }

    private static async Task<List<T>> ForEachCrashAsync<T>(DiskHistory history, int seeds, Func<LuksHeader, MemoryDevice, Task<T>> check)
    {
        var results = new List<T>();
        foreach (MemoryDevice left in history.Crashes(seeds))
        {
            results.Add(await check(await Sample.OpenAsync(left), left));
        }

        return results;
    }

    // The slot that moves, and the last one of those that do not; trying all costs minutes.
    private static async Task<bool> OpensAllAsync(LuksHeader header, int[] slots)
    {
        foreach (int slot in slots.TakeLast(1).Prepend(0))
        {
            if (!await header.OpensAsync(PassphraseOf(slot)))
            {
                return false;
            }
        }

        return true;
    }
}
