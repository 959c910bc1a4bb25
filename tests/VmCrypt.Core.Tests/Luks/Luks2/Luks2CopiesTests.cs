using System.Text.Json.Nodes;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Luks.Luks2;

/// <summary>Two copies of a header: which one counts, and how the other is brought back.</summary>
public sealed class Luks2CopiesTests
{
    public static TheoryData<string, int, string> Damages => new()
    {
        { "magic", 0, ErrorIds.NotLuks },
        { "magic", 1, ErrorIds.NotLuks },
        { "checksum", 0, ErrorIds.Luks2ChecksumMismatch },
        { "checksum", 1, ErrorIds.Luks2ChecksumMismatch },
        { "metadata", 0, ErrorIds.Luks2JsonInvalid },
        { "metadata", 1, ErrorIds.Luks2JsonInvalid },
        { "zeros", 0, ErrorIds.NotLuks },
        { "zeros", 1, ErrorIds.NotLuks },
        { "behind", 0, ErrorIds.Luks2CopyStale },
        { "behind", 1, ErrorIds.Luks2CopyStale },
    };

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task The_sound_copy_counts_and_opening_writes_nothing(string damage, int copy, string errorId)
    {
        (Luks2Disk disk, VolumeKey key) = await DamagedAsync(damage, copy);

        LuksHeader header = await Sample.OpenAsync(new ReadCounter(new MemoryDevice(disk.Bytes)));

        Assert.Equal(errorId, header.Facts.DamagedCopy?.ErrorId);
        Unlocked unlocked = await header.UnlockAsync(Sample.Passphrase);
        Assert.Equal(key.Span, unlocked.Key.Span);
        Assert.Equal(2UL, header.Facts.Epoch);
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task Repair_writes_the_other_copy_only(string damage, int copy, string errorId)
    {
        (Luks2Disk disk, VolumeKey key) = await DamagedAsync(damage, copy);
        var recording = new RecordingDevice(new MemoryDevice(disk.Bytes));
        LuksHeader header = await Sample.OpenAsync(recording);

        Assert.True(await header.RepairAsync(Sample.Token));

        Assert.NotEmpty(errorId);
        Assert.Equal([0L, 4096L, 0L], recording.Effects.OfType<WriteEffect>().Select(write => write.Offset - (copy * 16384)));
        Assert.Null(header.Facts.DamagedCopy);
        Assert.Equal(2UL, header.Facts.Epoch);
        LuksHeader again = await Sample.OpenAsync(recording);
        Assert.Null(again.Facts.DamagedCopy);
        Assert.False(await again.RepairAsync(Sample.Token));
        Assert.Equal(1, await again.AddAsync(key, "second"));
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task The_first_change_repairs_before_it_changes(string damage, int copy, string errorId)
    {
        Assert.NotEmpty(errorId);
        (Luks2Disk disk, VolumeKey key) = await DamagedAsync(damage, copy);
        DiskHistory history = await DiskHistory.RecordAsync(disk.Bytes, async device => await (await Sample.OpenAsync(device)).AddAsync(key, "second"));

        for (int count = 0; count <= history.Count; count++)
        {
            LuksHeader header = await Sample.OpenAsync(history.After(count));
            Assert.Equal(0, (await header.UnlockAsync(Sample.Passphrase)).Slot);
        }

        LuksHeader done = await Sample.OpenAsync(history.After(history.Count));
        Assert.Equal(1, (await done.UnlockAsync("second")).Slot);
        Assert.Equal(3UL, done.Facts.Epoch);
        Assert.Null(done.Facts.DamagedCopy);
    }

    [Theory]
    [InlineData(0x4000)]
    [InlineData(0x8000)]
    [InlineData(0x10000)]
    [InlineData(0x20000)]
    [InlineData(0x40000)]
    [InlineData(0x80000)]
    [InlineData(0x100000)]
    [InlineData(0x200000)]
    [InlineData(0x400000)]
    public async Task A_second_copy_is_found_wherever_it_can_lie(int size)
    {
        (MemoryDevice device, _, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options with { MetadataSize = size });
        var disk = new Luks2Disk(device.ToArray());
        disk.Kill(0);

        LuksHeader header = await Sample.OpenAsync(new MemoryDevice(disk.Bytes));

        Unlocked unlocked = await header.UnlockAsync(Sample.Passphrase);
        Assert.Equal(key.Span, unlocked.Key.Span);
    }

    [Fact]
    public async Task After_the_last_sequence_id_nothing_is_changed()
    {
        (MemoryDevice device, _, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        Luks2Disk disk = new Luks2Disk(device.ToArray()).SetSequenceId(0, ulong.MaxValue).SetSequenceId(1, ulong.MaxValue);
        var recording = new RecordingDevice(new MemoryDevice(disk.Bytes));
        LuksHeader header = await Sample.OpenAsync(recording);

        foreach (Func<Task> change in new Func<Task>[]
        {
            async () => await header.AddAsync(key, "second"),
            async () => await header.RemoveSlotAsync(0, force: true, Sample.Token),
            async () => await header.SetLabelAsync("label", null, Sample.Token),
        })
        {
            Assert.Equal(ErrorIds.Luks2SequenceExhausted, (await Assert.ThrowsAsync<RefusedException>(change)).ErrorId);
        }

        Assert.Empty(recording.Effects);
        Assert.Equal(0, (await header.UnlockAsync(Sample.Passphrase)).Slot);
    }

    [Fact]
    public async Task Of_two_sound_copies_the_later_counts()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        byte[] before = device.ToArray();
        await header.AddAsync(key, "second");
        byte[] after = device.ToArray();

        foreach ((byte[] first, byte[] second) in new[] { (before, after), (after, before) })
        {
            byte[] mixed = [.. first[..16384], .. second[16384..32768], .. after[32768..]];
            LuksHeader mixture = await Sample.OpenAsync(new MemoryDevice(mixed));
            Assert.Equal(1, (await mixture.UnlockAsync("second")).Slot);
            Assert.Equal(ErrorIds.Luks2CopyStale, mixture.Facts.DamagedCopy?.ErrorId);
        }
    }

    [Fact]
    public async Task A_repaired_copy_gets_another_salt_and_a_change_keeps_both()
    {
        (MemoryDevice device, LuksHeader header, _) = await Sample.FormatAsync(Sample.Luks2Options);
        byte[] made = device.ToArray();
        await header.SetLabelAsync("changed", null, Sample.Token);
        byte[] changed = device.ToArray();
        Assert.Equal(Salts(made), Salts(changed));

        var disk = new Luks2Disk([.. changed]);
        disk.Kill(1);
        var damaged = new MemoryDevice(disk.Bytes);
        await (await Sample.OpenAsync(damaged)).RepairAsync(Sample.Token);

        byte[] repaired = damaged.ToArray();
        Assert.Equal(changed[..16384], repaired[..16384]);
        Assert.NotEqual(Salts(changed).Second, Salts(repaired).Second);

        static (string First, string Second) Salts(byte[] disk) =>
            (Convert.ToHexString(disk.AsSpan(104, 64)), Convert.ToHexString(disk.AsSpan(16384 + 104, 64)));
    }

    [Fact]
    public async Task A_header_that_somebody_else_changed_is_not_written()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        await (await Sample.OpenAsync(device)).AddAsync(key, "theirs");
        byte[] before = device.ToArray();

        foreach (Func<Task> call in new Func<Task>[]
        {
            () => header.AddAsync(key, "ours"),
            () => header.ChangeAsync(key, 0, "ours"),
            () => header.RemoveAsync(0, force: true),
            () => header.SetLabelAsync("ours", null, Sample.Token).AsTask(),
            () => header.AddTokenAsync("""{"type":"x","keyslots":[]}""", null, Sample.Token).AsTask(),
            () => header.RepairAsync(Sample.Token).AsTask(),
        })
        {
            Assert.Equal(ErrorIds.LuksHeaderChanged, (await Assert.ThrowsAsync<DeviceBusyException>(call)).ErrorId);
        }

        Assert.Equal(before, device.ToArray());
    }

    [Fact]
    public async Task Members_that_nobody_here_knows_outlive_every_change()
    {
        (MemoryDevice device, LuksHeader made, _) = await Sample.FormatAsync(Sample.Luks2Options);
        await made.AddTokenAsync("""{"type":"clevis","keyslots":["0"],"jwe":{"ciphertext":"a+/=é\u0001","n":1e400,"big":123456789012345678901234567890}}""", 3, Sample.Token);
        var disk = new Luks2Disk(device.ToArray());
        disk.Edit(json =>
        {
            json["keyslots"]!["0"]!["future"] = new JsonObject { ["a"] = 1 };
            json["segments"]!["0"]!["note"] = "x";
            json["digests"]!["0"]!["note"] = "y";
            json["config"]!["flags"] = new JsonArray("allow-discards", "from-the-future");
            json["newest"] = true;
        });
        device = new MemoryDevice(disk.Bytes);
        LuksHeader header = await Sample.OpenAsync(device);
        VolumeKey key = (await header.UnlockAsync(Sample.Passphrase)).Key;

        await header.AddAsync(key, "second", 4);
        await header.ChangeAsync(key, 0, "third");
        await header.RemoveAsync(4);

        JsonObject before = disk.Json();
        JsonObject after = new Luks2Disk(device.ToArray()).Json();
        foreach (JsonObject json in new[] { before, after })
        {
            foreach (string changed in new[] { "kdf", "area" })
            {
                ((JsonObject)json["keyslots"]!["0"]!).Remove(changed);
            }
        }

        Assert.True(JsonNode.DeepEquals(before, after), $"{before}\n{after}");
        Assert.Contains("1e400", new Luks2Disk(device.ToArray()).Text(), StringComparison.Ordinal);
    }

    // Changed once, so that there is a state before.
    private static async Task<(Luks2Disk Disk, VolumeKey Key)> DamagedAsync(string damage, int copy)
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        byte[] before = device.ToArray();
        await header.SetLabelAsync("changed", null, Sample.Token);
        var disk = new Luks2Disk(device.ToArray());
        switch (damage)
        {
            case "magic":
                disk.Kill(copy);
                break;
            case "checksum":
                disk.Copy(copy)[450] ^= 1;
                break;
            case "metadata":
                disk.JsonArea(copy)[0] = (byte)'[';
                disk.Seal(copy);
                break;
            case "zeros":
                disk.Copy(copy).Clear();
                break;
            default:
                before.AsSpan(copy * 16384, 16384).CopyTo(disk.Copy(copy));
                break;
        }

        return (disk, key);
    }
}
