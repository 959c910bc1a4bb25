using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Crash;

/// <summary>The machine stops after each write and flush of a header change: a passphrase that worked and was to stay still works.</summary>
public sealed class Luks1CrashTests
{
    private const string Keeper = "keeper";

    [Theory]
    [InlineData(1)]
    [InlineData(6)]
    public async Task Adding_a_slot_never_costs_another(int slot)
    {
        (byte[] disk, VolumeKey key) = await DiskAsync();
        DiskHistory history = await DiskHistory.RecordAsync(disk, async device =>
            await (await Sample.OpenAsync(device)).AddAsync(key, "new", slot));

        await ForEachCrashAsync(history, async header =>
        {
            Assert.True(await OpensAsync(header, Sample.Passphrase));
            Assert.True(await OpensAsync(header, Keeper));
            Assert.Equal(header.Slots[slot].IsActive, await OpensAsync(header, "new"));
        });
        Assert.True(await OpensAsync(await Sample.OpenAsync(history.After(history.Count)), "new"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(6)]
    public async Task Removing_a_slot_never_costs_another(int slot)
    {
        (byte[] disk, VolumeKey key) = await DiskAsync();
        var device = new MemoryDevice(disk);
        await (await Sample.OpenAsync(device)).AddAsync(key, "doomed", slot);
        DiskHistory history = await DiskHistory.RecordAsync(device.ToArray(), async recorded =>
            await (await Sample.OpenAsync(recorded)).RemoveAsync(slot));

        await ForEachCrashAsync(history, async header =>
        {
            Assert.True(await OpensAsync(header, Sample.Passphrase));
            Assert.True(await OpensAsync(header, Keeper));
            Assert.Equal(header.Slots[slot].IsActive, await OpensAsync(header, "doomed"));
        });
        for (int count = 1; count <= history.Count; count++)
        {
            Assert.False((await Sample.OpenAsync(history.After(count))).Slots[slot].IsActive);
        }
    }

    [Fact]
    public async Task Changing_a_slot_leaves_the_old_or_the_new_passphrase_at_every_moment()
    {
        (byte[] disk, VolumeKey key) = await DiskAsync();
        DiskHistory history = await DiskHistory.RecordAsync(disk, async device =>
            await (await Sample.OpenAsync(device)).ChangeAsync(key, 0, "new"));

        await ForEachCrashAsync(history, async header =>
        {
            Assert.True(await OpensAsync(header, Keeper));
            Assert.True(await OpensAsync(header, Sample.Passphrase) || await OpensAsync(header, "new"));
        });

        LuksHeader done = await Sample.OpenAsync(history.After(history.Count));
        Assert.True(await OpensAsync(done, "new"));
        Assert.False(await OpensAsync(done, Sample.Passphrase));
    }

    [Fact]
    public async Task A_change_that_was_cut_short_can_be_repeated()
    {
        (byte[] disk, VolumeKey key) = await DiskAsync();
        DiskHistory history = await DiskHistory.RecordAsync(disk, async device =>
            await (await Sample.OpenAsync(device)).ChangeAsync(key, 0, "new"));

        for (int count = 0; count <= 6; count++)
        {
            LuksHeader header = await Sample.OpenAsync(history.After(count));
            if (await OpensAsync(header, Sample.Passphrase))
            {
                Unlocked old = await header.UnlockAsync(Sample.Passphrase);
                await header.ChangeAsync(old.Key, old.Slot, "new");
            }

            Assert.True(await OpensAsync(header, "new"));
            Assert.False(await OpensAsync(header, Sample.Passphrase));
        }
    }

    [Fact]
    public async Task Creating_leaves_nothing_or_everything()
    {
        byte[] disk = (await Sample.FormatAsync()).Device.ToArray();
        DiskHistory history = await DiskHistory.RecordAsync(disk, async device =>
        {
            using SecretBuffer passphrase = Sample.Secret("new");
            await LuksHeader.FormatAsync(device, Sample.Options, passphrase, Sample.Token);
        });

        foreach (MemoryDevice left in Crashes(history, seeds: 20))
        {
            if (LuksHeader.Probe(left.ToArray()) is not null)
            {
                LuksHeader header = await Sample.OpenAsync(left);
                Assert.True(await OpensAsync(header, "new") != await OpensAsync(header, Sample.Passphrase));
            }
        }

        Assert.True(await OpensAsync(await Sample.OpenAsync(history.After(history.Count)), "new"));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_device_that_fails_under_a_change_leaves_the_header_usable(int effects)
    {
        (byte[] disk, VolumeKey key) = await DiskAsync();
        LuksHeader header = await Sample.OpenAsync(new CrashDevice(new MemoryDevice(disk), new CrashPlan(effects)));

        await Assert.ThrowsAsync<CrashException>(() => header.ChangeAsync(key, 0, "new"));

        LuksHeader again = await Sample.OpenAsync(new MemoryDevice(disk));
        Assert.True(await OpensAsync(again, Sample.Passphrase));
        Assert.True(await OpensAsync(again, Keeper));
    }

    /// <summary>A disk with slots 0 and 2 in use.</summary>
    private static async Task<(byte[] Disk, VolumeKey Key)> DiskAsync()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();
        await header.AddAsync(key, Keeper, 2);
        return (device.ToArray(), key);
    }

    private static async Task ForEachCrashAsync(DiskHistory history, Func<LuksHeader, Task> check)
    {
        foreach (MemoryDevice left in Crashes(history, seeds: 4))
        {
            await check(await Sample.OpenAsync(left));
        }
    }

    // The passes that erase are all alike: a few of them say it all.
    private static IEnumerable<MemoryDevice> Crashes(DiskHistory history, int seeds)
    {
        const int Telling = 10;
        foreach (int count in Enumerable.Range(0, history.Count + 1).Where(i => i <= Telling || i >= history.Count - 2))
        {
            yield return history.After(count);
            for (int seed = 0; seed < seeds; seed++)
            {
                yield return history.AfterPowerCut(count, seed);
            }
        }
    }

    private static async Task<bool> OpensAsync(LuksHeader header, string passphrase)
    {
        try
        {
            using VolumeKey key = (await header.UnlockAsync(passphrase)).Key;
            return true;
        }
        catch (WrongKeyException error)
        {
            Assert.Equal(ErrorIds.WrongPassphrase, error.ErrorId);
            return false;
        }
    }
}
