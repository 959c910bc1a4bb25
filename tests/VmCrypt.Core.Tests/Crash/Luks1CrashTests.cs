using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
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
            Assert.True(await header.OpensAsync(Sample.Passphrase));
            Assert.True(await header.OpensAsync(Keeper));
            Assert.Equal(header.Slots[slot].IsActive, await header.OpensAsync("new"));
        });
        Assert.True(await (await Sample.OpenAsync(history.After(history.Count))).OpensAsync("new"));
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
            Assert.True(await header.OpensAsync(Sample.Passphrase));
            Assert.True(await header.OpensAsync(Keeper));
            Assert.Equal(header.Slots[slot].IsActive, await header.OpensAsync("doomed"));
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
            Assert.True(await header.OpensAsync(Keeper));
            Assert.True(await header.OpensAsync(Sample.Passphrase) || await header.OpensAsync("new"));
        });

        LuksHeader done = await Sample.OpenAsync(history.After(history.Count));
        Assert.True(await done.OpensAsync("new"));
        Assert.False(await done.OpensAsync(Sample.Passphrase));
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
            if (await header.OpensAsync(Sample.Passphrase))
            {
                Unlocked old = await header.UnlockAsync(Sample.Passphrase);
                await header.ChangeAsync(old.Key, old.Slot, "new");
            }

            Assert.True(await header.OpensAsync("new"));
            Assert.False(await header.OpensAsync(Sample.Passphrase));
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

        foreach (MemoryDevice left in history.Crashes(first: 10, last: 3, seeds: 20))
        {
            if (LuksHeader.Probe(left.ToArray()) is not null)
            {
                LuksHeader header = await Sample.OpenAsync(left);
                Assert.True(await header.OpensAsync("new") != await header.OpensAsync(Sample.Passphrase));
            }
        }

        Assert.True(await (await Sample.OpenAsync(history.After(history.Count))).OpensAsync("new"));
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
        Assert.True(await again.OpensAsync(Sample.Passphrase));
        Assert.True(await again.OpensAsync(Keeper));
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
        foreach (MemoryDevice left in history.Crashes(first: 10, last: 3, seeds: 4))
        {
            await check(await Sample.OpenAsync(left));
        }
    }
}
