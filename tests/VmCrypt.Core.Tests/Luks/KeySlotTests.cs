using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Luks;

public sealed class KeySlotTests
{
    [Fact]
    public async Task A_new_header_opens_with_its_passphrase()
    {
        (MemoryDevice device, _, VolumeKey key) = await Sample.FormatAsync();

        Unlocked unlocked = await (await Sample.OpenAsync(device)).UnlockAsync(Sample.Passphrase);

        Assert.Equal(0, unlocked.Slot);
        Assert.Equal(key.Span, unlocked.Key.Span);
    }

    [Fact]
    public async Task Eight_slots_can_be_filled_and_each_opens()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();
        for (int slot = 1; slot < 8; slot++)
        {
            Assert.Equal(slot, await header.AddAsync(key, $"passphrase {slot}"));
        }

        var full = await Assert.ThrowsAsync<RefusedException>(() => header.AddAsync(key, "one too many"));
        Assert.Equal(ErrorIds.KeySlotsFull, full.ErrorId);
        LuksHeader again = await Sample.OpenAsync(device);
        for (int slot = 1; slot < 8; slot++)
        {
            Unlocked unlocked = await again.UnlockAsync($"passphrase {slot}");
            Assert.Equal(slot, unlocked.Slot);
            Assert.Equal(key.Span, unlocked.Key.Span);
        }
    }

    [Fact]
    public async Task A_change_in_memory_is_the_change_on_the_medium()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();
        await header.AddAsync(key, "second");
        await header.ChangeAsync(key, 1, "third");
        await header.RemoveAsync(0);

        LuksHeader again = await Sample.OpenAsync(device);

        Assert.Equal(again.Slots, header.Slots);
        Assert.Equal([2], header.Slots.Where(slot => slot.IsActive).Select(slot => slot.Number));
    }

    [Fact]
    public async Task Adding_touches_one_entry_and_its_area_only()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();
        byte[] before = device.ToArray();

        await header.AddAsync(key, "second", 3);

        AssertOnlyChanged(before, device.ToArray(), slot: 3);
    }

    [Fact]
    public async Task Removing_touches_one_entry_and_its_area_only()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();
        await header.AddAsync(key, "second", 7);
        byte[] before = device.ToArray();

        await header.RemoveAsync(7);

        byte[] after = device.ToArray();
        AssertOnlyChanged(before, after, slot: 7);
        Assert.Equal(Convert.FromHexString("0000DEAD" + new string('0', 72)), after[(208 + (7 * 48))..(208 + (7 * 48) + 40)]);
    }

    [Fact]
    public async Task Removing_overwrites_the_key_material_forty_times_and_flushes_each()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();
        await header.AddAsync(key, "second");
        var recording = new RecordingDevice(device);

        await (await Sample.OpenAsync(recording)).RemoveAsync(1);

        Assert.Equal(
            [(256L, 4), (256L, 48), .. Enumerable.Repeat((262144L, 256000), 40)],
            recording.Effects.OfType<WriteEffect>().Select(write => (write.Offset, write.Bytes.Length)));
        Assert.All(recording.Effects.Where((_, index) => index % 2 == 1), effect => Assert.IsType<FlushEffect>(effect));
        IEnumerable<string> noise = recording.Effects.OfType<WriteEffect>().Skip(2).Select(write => Convert.ToHexString(write.Bytes));
        Assert.Equal(40, noise.Distinct().Count());
    }

    [Fact]
    public async Task A_removed_passphrase_opens_nothing()
    {
        (_, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();
        await header.AddAsync(key, "second");

        await header.RemoveAsync(0);

        await Assert.ThrowsAsync<WrongKeyException>(() => header.UnlockAsync(Sample.Passphrase));
        Assert.Equal(1, (await header.UnlockAsync("second")).Slot);
    }

    [Fact]
    public async Task The_last_slot_goes_only_by_force_and_the_volume_key_brings_it_back()
    {
        (_, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();

        var refused = await Assert.ThrowsAsync<RefusedException>(() => header.RemoveAsync(0));
        Assert.Equal(ErrorIds.LastKeySlot, refused.ErrorId);
        Assert.Equal(0, (await header.UnlockAsync(Sample.Passphrase)).Slot);

        await header.RemoveAsync(0, force: true);
        var none = await Assert.ThrowsAsync<MissingException>(() => header.UnlockAsync(Sample.Passphrase));
        Assert.Equal(ErrorIds.NoActiveKeySlot, none.ErrorId);

        Assert.Equal(0, await header.AddAsync(key, "back again"));
        Assert.Equal(0, (await header.UnlockAsync("back again")).Slot);
    }

    [Fact]
    public async Task An_inactive_slot_is_removed_only_by_force_which_overwrites_its_area_again()
    {
        (MemoryDevice device, LuksHeader header, _) = await Sample.FormatAsync();

        Assert.Equal(ErrorIds.KeySlotInactive, (await Assert.ThrowsAsync<MissingException>(() => header.RemoveAsync(1))).ErrorId);
        Assert.Equal(new byte[256000], device.ToArray()[262144..(262144 + 256000)]);

        await header.RemoveAsync(1, force: true);
        Assert.NotEqual(new byte[256000], device.ToArray()[262144..(262144 + 256000)]);
        Assert.Equal(0, (await header.UnlockAsync(Sample.Passphrase)).Slot);
    }

    [Fact]
    public async Task Changing_moves_to_the_first_free_slot_and_destroys_the_old_one()
    {
        (_, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();
        await header.AddAsync(key, "other", 1);

        Assert.Equal(2, await header.ChangeAsync(key, 0, "new"));

        await Assert.ThrowsAsync<WrongKeyException>(() => header.UnlockAsync(Sample.Passphrase));
        Assert.Equal(2, (await header.UnlockAsync("new")).Slot);
        Assert.Equal(1, (await header.UnlockAsync("other")).Slot);
    }

    [Fact]
    public async Task Changing_with_no_free_slot_changes_nothing()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();
        for (int slot = 1; slot < 8; slot++)
        {
            await header.AddAsync(key, "filler");
        }

        byte[] before = device.ToArray();

        var refused = await Assert.ThrowsAsync<RefusedException>(() => header.ChangeAsync(key, 0, "new"));

        Assert.Equal(ErrorIds.KeySlotsFull, refused.ErrorId);
        Assert.Equal(before, device.ToArray());
    }

    [Fact]
    public async Task Changing_keeps_the_old_passphrase_when_the_medium_lies()
    {
        (MemoryDevice device, _, VolumeKey key) = await Sample.FormatAsync();
        LuksHeader header = await Sample.OpenAsync(new ForgetfulDevice(device, from: 262144, to: 262144 + 256000));

        var fault = await Assert.ThrowsAsync<DeviceFaultException>(() => header.ChangeAsync(key, 0, "new"));

        Assert.Equal(ErrorIds.KeySlotNotProven, fault.ErrorId);
        LuksHeader again = await Sample.OpenAsync(device);
        Assert.Equal(0, (await again.UnlockAsync(Sample.Passphrase)).Slot);
        Assert.False(again.Slots[1].IsActive);
    }

    [Fact]
    public async Task An_occupied_slot_is_not_overwritten()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();
        byte[] before = device.ToArray();

        var refused = await Assert.ThrowsAsync<RefusedException>(() => header.AddAsync(key, "new", 0));

        Assert.Equal(ErrorIds.KeySlotOccupied, refused.ErrorId);
        Assert.Equal(before, device.ToArray());
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(8)]
    [InlineData(int.MaxValue)]
    public async Task A_slot_that_the_format_does_not_have_is_refused(int slot)
    {
        (_, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();

        foreach (Func<Task> call in new Func<Task>[]
        {
            () => header.AddAsync(key, "new", slot),
            () => header.ChangeAsync(key, slot, "new"),
            () => header.RemoveAsync(slot, force: true),
        })
        {
            Assert.Equal(ErrorIds.KeySlotInvalid, (await Assert.ThrowsAsync<InvalidInputException>(call)).ErrorId);
        }
    }

    [Fact]
    public async Task The_key_of_another_disk_gets_no_slot()
    {
        (MemoryDevice device, LuksHeader header, _) = await Sample.FormatAsync();
        (_, _, VolumeKey other) = await Sample.FormatAsync();
        byte[] before = device.ToArray();

        foreach (Func<Task> call in new Func<Task>[] { () => header.AddAsync(other, "new"), () => header.ChangeAsync(other, 0, "new") })
        {
            Assert.Equal(ErrorIds.WrongVolumeKey, (await Assert.ThrowsAsync<WrongKeyException>(call)).ErrorId);
        }

        Assert.Equal(before, device.ToArray());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(LuksPassphrase.MaxLength + 1)]
    public async Task A_new_passphrase_is_neither_empty_nor_endless(int length)
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();
        using var passphrase = new SecretBuffer(length);

        foreach (Func<Task> call in new Func<Task>[]
        {
            async () => await header.AddSlotAsync(key, passphrase, null, Sample.Options.Cost, Sample.Token),
            async () => await header.ChangeSlotAsync(key, 0, passphrase, Sample.Options.Cost, prove: null, Sample.Token),
            async () => await LuksHeader.FormatAsync(device, Sample.Options, passphrase, Sample.Token),
        })
        {
            Assert.Equal(ErrorIds.PassphraseInvalid, (await Assert.ThrowsAsync<InvalidInputException>(call)).ErrorId);
        }
    }

    [Fact]
    public async Task A_passphrase_may_be_any_bytes_up_to_a_key_file_of_8_MiB()
    {
        (_, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();
        using SecretBuffer file = SecretBuffer.Random(LuksPassphrase.MaxLength);
        file.Span[0] = 0;
        file.Span[1] = 0xFF;

        int slot = await header.AddSlotAsync(key, file, null, Sample.Options.Cost, Sample.Token);

        Assert.Equal(slot, (await header.UnlockAsync(file, null, Sample.Token)).Slot);
    }

    [Fact]
    public async Task A_header_that_somebody_else_changed_is_not_written()
    {
        (MemoryDevice device, LuksHeader first, VolumeKey key) = await Sample.FormatAsync();
        LuksHeader second = await Sample.OpenAsync(device);
        await first.AddAsync(key, "theirs");
        byte[] before = device.ToArray();

        foreach (Func<Task> call in new Func<Task>[]
        {
            () => second.AddAsync(key, "ours"),
            () => second.ChangeAsync(key, 0, "ours"),
            () => second.RemoveAsync(0, force: true),
        })
        {
            Assert.Equal(ErrorIds.LuksHeaderChanged, (await Assert.ThrowsAsync<DeviceBusyException>(call)).ErrorId);
        }

        Assert.Equal(before, device.ToArray());
    }

    [Fact]
    public async Task A_read_only_device_is_said_to_be_one_before_anything_is_derived()
    {
        (MemoryDevice device, _, VolumeKey key) = await Sample.FormatAsync();
        LuksHeader header = await Sample.OpenAsync(new MemoryDevice(device.ToArray(), writable: false));

        foreach (Func<Task> call in new Func<Task>[]
        {
            () => header.AddAsync(key, "new"),
            () => header.ChangeAsync(key, 0, "new"),
            () => header.RemoveAsync(0),
        })
        {
            Assert.Equal(ErrorIds.DeviceReadOnly, (await Assert.ThrowsAsync<DeviceFaultException>(call)).ErrorId);
        }
    }

    private static void AssertOnlyChanged(byte[] before, byte[] after, int slot)
    {
        Assert.NotEqual(before, after);
        int entry = 208 + (48 * slot);
        int area = 4096 + (slot * 504 * 512);
        after.AsSpan(entry, 40).CopyTo(before.AsSpan(entry));
        after.AsSpan(area, 256000).CopyTo(before.AsSpan(area));
        Assert.True(before.AsSpan().SequenceEqual(after), "something outside of the slot was changed");
    }
}
