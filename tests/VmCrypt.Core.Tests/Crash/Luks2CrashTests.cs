using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Luks.Luks2;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Crash;

/// <summary>Every change of a LUKS2 header, stopped after each write: an unlock that worked still works.</summary>
public sealed class Luks2CrashTests
{
    private const string Keeper = "keeper";

    // The least key material, because it is derived and merged hundreds of times.
    private static readonly LuksFormatOptions s_options = Sample.Luks2Options with { Cipher = CipherSpec.Parse("aes-cbc-plain64"), KeySize = 16 };

    public static TheoryData<string, Func<LuksHeader, VolumeKey, Task>> Changes => new()
    {
        { "add a slot", (header, key) => header.AddAsync(key, "new") },
        { "add an unbound slot", AddUnboundAsync },
        { "change a slot", (header, key) => header.ChangeAsync(key, 1, "new") },
        { "remove a slot", (header, _) => header.RemoveAsync(1) },
        { "set a priority", (header, _) => header.SetPriorityAsync(2, KeySlotPriority.Prefer, Sample.Token).AsTask() },
        { "set a label", (header, _) => header.SetLabelAsync("new", "new", Sample.Token).AsTask() },
        { "add a token", (header, _) => header.AddTokenAsync("""{"type":"x","keyslots":["1"]}""", null, Sample.Token).AsTask() },
        { "replace a token", (header, _) => header.SetTokenAsync(0, """{"type":"y","keyslots":["2"]}""", Sample.Token).AsTask() },
        { "add a slot with its token", AddWithTokenAsync },
        { "remove a token", (header, _) => header.RemoveTokenAsync(0, Sample.Token).AsTask() },
    };

    /// <summary>Both copies good, or one of them in need of repair when the change begins.</summary>
    public static TheoryData<string, string> Starts
    {
        get
        {
            var starts = new TheoryData<string, string>();
            foreach (var change in Changes)
            {
                starts.Add(change.Data.Item1, "both good");
            }

            foreach (string state in new[] { "first torn", "second torn", "first behind", "second behind" })
            {
                starts.Add("change a slot", state);
                starts.Add("set a label", state);
            }

            return starts;
        }
    }

    [Theory]
    [MemberData(nameof(Starts))]
    public async Task At_every_moment_there_is_a_header_with_everything_that_worked(string name, string state)
    {
        Func<LuksHeader, VolumeKey, Task> change = Changes.Single(row => row.Data.Item1 == name).Data.Item2;
        (byte[] disk, VolumeKey key) = await DiskAsync(state);
        DiskHistory history = await DiskHistory.RecordAsync(disk, async device => await change(await Sample.OpenAsync(device), key));
        bool replaces = name is "change a slot" or "remove a slot";

        foreach (MemoryDevice left in history.Crashes(first: 16, last: 2, seeds: 2))
        {
            LuksHeader header = await Sample.OpenAsync(left);
            Assert.True(await header.OpensAsync(Keeper));
            Assert.True(replaces || await header.OpensAsync("old"));
            Assert.True(name != "change a slot" || await header.OpensAsync("old") || await header.OpensAsync("new"));
            // A slot that the header shows is one that opens.
            Assert.True(name != "remove a slot" || header.Slots.Any(slot => slot.Number == 1) == await header.OpensAsync("old"));
            Assert.True(name != "add a slot" || header.Slots.Any(slot => slot.Number == 3) == await header.OpensAsync("new"));
            Assert.True(name != "add a slot with its token"
                || (header.Slots.Any(slot => slot.Number == 3) == await header.OpensAsync("new") && header.Facts.HoldsRandomKey(3) == await header.OpensAsync("new")));
            // And whatever was left can be gone on from.
            await header.AddAsync(key, "after the crash");
            Assert.True(await (await Sample.OpenAsync(left)).OpensAsync("after the crash"));
        }
    }

    [Fact]
    public async Task Creating_leaves_what_was_there_nothing_or_everything()
    {
        byte[] disk = (await Sample.FormatAsync(s_options)).Device.ToArray();
        DiskHistory history = await DiskHistory.RecordAsync(disk, async device =>
        {
            using SecretBuffer passphrase = Sample.Secret("new");
            await LuksHeader.FormatAsync(device, s_options, passphrase, Sample.Token);
        });

        foreach (MemoryDevice left in history.Crashes(first: 16, last: 2, seeds: 8))
        {
            try
            {
                LuksHeader header = await Sample.OpenAsync(left);
                Assert.True(header.Facts.DamagedCopy is not null || await header.OpensAsync("new") || await header.OpensAsync(Sample.Passphrase));
            }
            catch (InvalidImageException error)
            {
                Assert.Equal(ErrorIds.NotLuks, error.ErrorId);
            }

            // Nobody who looks at the magic alone takes a header for one that is not complete.
            Assert.True(LuksHeader.Probe(left.ToArray()) is null || (await Sample.OpenAsync(left)).Facts.DamagedCopy?.ErrorId is null or ErrorIds.Luks2ChecksumMismatch);
        }

        Assert.True(await (await Sample.OpenAsync(history.After(history.Count))).OpensAsync("new"));
    }

    [Fact]
    public async Task A_change_that_was_cut_short_can_be_repeated()
    {
        (byte[] disk, VolumeKey key) = await DiskAsync("both good");
        DiskHistory history = await DiskHistory.RecordAsync(disk, async device => await (await Sample.OpenAsync(device)).ChangeAsync(key, 1, "new"));

        for (int count = 0; count <= 12; count++)
        {
            LuksHeader header = await Sample.OpenAsync(history.After(count));
            if (await header.OpensAsync("old"))
            {
                Unlocked old = await header.UnlockAsync("old");
                Assert.Equal(1, await header.ChangeAsync(old.Key, old.Slot, "new"));
            }

            Assert.True(await header.OpensAsync("new"));
            Assert.False(await header.OpensAsync("old"));
            Assert.Equal(3, header.Slots.Count);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(7)]
    [InlineData(9)]
    public async Task A_device_that_fails_under_a_change_leaves_the_header_usable(int effects)
    {
        (byte[] disk, VolumeKey key) = await DiskAsync("both good");
        LuksHeader header = await Sample.OpenAsync(new CrashDevice(new MemoryDevice(disk), new CrashPlan(effects)));

        await Assert.ThrowsAsync<CrashException>(() => header.ChangeAsync(key, 1, "new"));

        LuksHeader again = await Sample.OpenAsync(new MemoryDevice(disk));
        Assert.True(await again.OpensAsync(Keeper));
        Assert.True(await again.OpensAsync("old") || await again.OpensAsync("new"));
    }

    /// <summary>A disk with slots 0, 1 ("old") and 2 (the keeper), and a token.</summary>
    private static async Task<(byte[] Disk, VolumeKey Key)> DiskAsync(string state)
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(s_options);
        await header.AddAsync(key, "old", 1);
        await header.AddTokenAsync("""{"type":"x","keyslots":["0"]}""", null, Sample.Token);
        byte[] before = device.ToArray();
        await header.AddAsync(key, Keeper, 2);
        var disk = new Luks2Disk(device.ToArray());
        int copy = state.StartsWith("first", StringComparison.Ordinal) ? 0 : 1;
        if (state.EndsWith("behind", StringComparison.Ordinal))
        {
            before.AsSpan(copy * disk.HeaderSize, disk.HeaderSize).CopyTo(disk.Copy(copy));
        }
        else if (state.EndsWith("torn", StringComparison.Ordinal))
        {
            before.AsSpan((copy * disk.HeaderSize) + 4096 + 512, 512).CopyTo(disk.Copy(copy)[(4096 + 512)..]);
        }

        return (disk.Bytes, key);
    }

    private static async Task AddUnboundAsync(LuksHeader header, VolumeKey key)
    {
        using SecretBuffer own = SecretBuffer.Random(32);
        using SecretBuffer passphrase = Sample.Secret("new");
        await header.AddUnboundSlotAsync(own, passphrase, null, Sample.Options.Cost, Sample.Token);
    }

    private static async Task AddWithTokenAsync(LuksHeader header, VolumeKey key)
    {
        using SecretBuffer passphrase = Sample.Secret("new");
        await header.AddSlotWithTokenAsync(key, passphrase, null, Sample.Options.Cost, """{"type":"clevis","keyslots":[]}""", Sample.Token);
    }
}
