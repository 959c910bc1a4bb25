using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Luks.Luks2;

public sealed class Luks2KeySlotTests
{
    private const int AreaLength = 258048;

    [Fact]
    public async Task A_slot_takes_the_first_gap_that_is_large_enough()
    {
        (_, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        await header.AddAsync(key, "1");
        await header.AddAsync(key, "2");
        await header.AddAsync(key, "9", 9);
        await header.RemoveAsync(1);

        Assert.Equal(31, await header.AddAsync(key, "31", 31));

        Assert.Equal(
            [(0, Area(0)), (2, Area(2)), (9, Area(3)), (31, Area(1))],
            header.Slots.Select(slot => (slot.Number, slot.AreaOffset)));

        static long Area(int index) => 32768 + (index * AreaLength);
    }

    [Fact]
    public async Task Without_room_for_key_material_nothing_is_written()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        for (int slot = 1; slot < 5; slot++)
        {
            await header.AddAsync(key, $"{slot}");
        }

        byte[] before = device.ToArray();

        foreach (Func<Task> call in new Func<Task>[] { () => header.AddAsync(key, "one too many"), () => header.ChangeAsync(key, 0, "new") })
        {
            Assert.Equal(ErrorIds.KeySlotsFull, (await Assert.ThrowsAsync<RefusedException>(call)).ErrorId);
        }

        Assert.Equal(before, device.ToArray());
    }

    [Fact]
    public async Task There_are_32_slots()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options with { KeyslotsSize = 33 * AreaLength, MetadataSize = 0x8000 });
        for (int slot = 1; slot < 32; slot++)
        {
            Assert.Equal(slot, await header.AddAsync(key, $"{slot}"));
        }

        var full = await Assert.ThrowsAsync<RefusedException>(() => header.AddAsync(key, "one too many"));

        Assert.Equal(ErrorIds.KeySlotsFull, full.ErrorId);
        LuksHeader again = await Sample.OpenAsync(device);
        Assert.Equal(32, again.Slots.Count);
        Assert.Equal(31, (await again.UnlockAsync("31", 31)).Slot);
        // A passphrase is changed even then, for it takes an area and no number.
        Assert.Equal(17, await again.ChangeAsync(key, 17, "changed"));
    }

    [Fact]
    public async Task Metadata_that_does_not_fit_its_area_is_not_written()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        string token = $$"""{"type":"fill","keyslots":[],"x":"{{new string('x', 11400)}}"}""";
        await header.AddTokenAsync(token, null, Sample.Token);
        byte[] before = device.ToArray();

        foreach (Func<Task> call in new Func<Task>[]
        {
            () => header.AddAsync(key, "one too many"),
            () => header.AddTokenAsync(token, null, Sample.Token).AsTask(),
        })
        {
            Assert.Equal(ErrorIds.LuksMetadataFull, (await Assert.ThrowsAsync<RefusedException>(call)).ErrorId);
        }

        Assert.Equal(before, device.ToArray());
        Assert.Equal(0, (await header.UnlockAsync(Sample.Passphrase)).Slot);
    }

    [Fact]
    public async Task The_metadata_may_fill_its_area_up_to_the_last_NUL()
    {
        (MemoryDevice device, LuksHeader header, _) = await Sample.FormatAsync(Sample.Luks2Options);
        int used = new Luks2Disk(device.ToArray()).Text().Length;
        int room = 12288 - 1 - used - """{"0":{"type":"fill","keyslots":[],"x":""}}""".Length + "{}".Length;

        await Assert.ThrowsAsync<RefusedException>(() => Fill(room + 1));
        await Fill(room);

        Assert.Equal(12287, new Luks2Disk(device.ToArray()).Text().Length);
        Assert.Equal(0, (await (await Sample.OpenAsync(device)).UnlockAsync(Sample.Passphrase)).Slot);

        Task Fill(int count) => header.AddTokenAsync($$"""{"type":"fill","keyslots":[],"x":"{{new string('x', count)}}"}""", null, Sample.Token).AsTask();
    }

    [Fact]
    public async Task Changing_keeps_number_priority_and_tokens_and_destroys_the_old_key_material()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        await header.AddAsync(key, "old", 7);
        await header.SetPriorityAsync(7, KeySlotPriority.Prefer, Sample.Token);
        await header.AddTokenAsync("""{"type":"x","keyslots":["7"]}""", null, Sample.Token);
        KeySlotFacts old = header.Slots[1];
        byte[] before = device.ToArray();
        var recording = new RecordingDevice(device);

        Assert.Equal(7, await (await Sample.OpenAsync(recording)).ChangeAsync(key, 7, "new"));

        LuksHeader changed = await Sample.OpenAsync(device);
        Assert.Equal((7, KeySlotPriority.Prefer), (changed.Slots[1].Number, changed.Slots[1].Priority));
        Assert.Equal([7], changed.Facts.Tokens[0].KeySlots);
        Assert.NotEqual(old.AreaOffset, changed.Slots[1].AreaOffset);
        Assert.Equal(7, (await changed.UnlockAsync("new")).Slot);
        await Assert.ThrowsAsync<WrongKeyException>(() => changed.UnlockAsync("old"));
        Assert.NotEqual(Area(before), Area(device.ToArray()));
        Assert.Equal(40, recording.Effects.OfType<WriteEffect>().Count(write => write.Offset == old.AreaOffset));

        byte[] Area(byte[] disk) => disk[(int)old.AreaOffset..(int)(old.AreaOffset + AreaLength)];
    }

    [Theory]
    [InlineData("the key material", 290816, 290816 + AreaLength)]
    [InlineData("the first copy", 0, 16384)]
    [InlineData("the second copy", 16384, 32768)]
    public async Task Changing_keeps_the_old_passphrase_when_the_medium_lies_about(string what, long from, long to)
    {
        (MemoryDevice device, _, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        LuksHeader header = await Sample.OpenAsync(new ForgetfulDevice(device, from, to));

        var fault = await Assert.ThrowsAsync<DeviceFaultException>(() => header.ChangeAsync(key, 0, "new"));

        Assert.Equal(ErrorIds.KeySlotNotProven, fault.ErrorId);
        LuksHeader again = await Sample.OpenAsync(device);
        string passphrase = again.Facts.Epoch == 1 ? Sample.Passphrase : "new";
        Assert.True((await again.UnlockAsync(passphrase)).Slot == 0, what);
    }

    [Fact]
    public async Task A_medium_that_keeps_the_key_material_is_noticed()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        await header.AddAsync(key, "second");
        LuksHeader forgetful = await Sample.OpenAsync(new ForgetfulDevice(device, 290816, 290816 + AreaLength));

        var fault = await Assert.ThrowsAsync<DeviceFaultException>(() => forgetful.RemoveAsync(1));

        Assert.Equal(ErrorIds.KeyMaterialNotErased, fault.ErrorId);
        Assert.Single((await Sample.OpenAsync(device)).Slots);
    }

    [Fact]
    public async Task Preferred_slots_are_tried_first_and_ignored_ones_only_by_their_number()
    {
        (_, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        await header.AddAsync(key, "same", 1);
        await header.AddAsync(key, "same", 2);
        await header.AddAsync(key, "same", 3);
        await header.SetPriorityAsync(3, KeySlotPriority.Prefer, Sample.Token);
        Assert.Equal(3, (await header.UnlockAsync("same")).Slot);

        await header.SetPriorityAsync(3, KeySlotPriority.Ignore, Sample.Token);
        await header.SetPriorityAsync(1, KeySlotPriority.Ignore, Sample.Token);
        Assert.Equal(2, (await header.UnlockAsync("same")).Slot);
        Assert.Equal(3, (await header.UnlockAsync("same", 3)).Slot);

        await header.SetPriorityAsync(2, KeySlotPriority.Ignore, Sample.Token);
        await header.SetPriorityAsync(0, KeySlotPriority.Ignore, Sample.Token);
        Assert.Equal(ErrorIds.NoActiveKeySlot, (await Assert.ThrowsAsync<MissingException>(() => header.UnlockAsync("same"))).ErrorId);

        await header.SetPriorityAsync(2, KeySlotPriority.Normal, Sample.Token);
        Assert.Equal(2, (await header.UnlockAsync("same")).Slot);
    }

    [Fact]
    public async Task An_unbound_slot_holds_a_key_of_its_own()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        using SecretBuffer own = SecretBuffer.Random(20);
        using SecretBuffer passphrase = Sample.Secret("own");

        int slot = await header.AddUnboundSlotAsync(own, passphrase, 5, Sample.Options.Cost, Sample.Token);

        LuksHeader again = await Sample.OpenAsync(device);
        Assert.Equal([true, false], again.Slots.Select(facts => facts.IsBound));
        using (SecretBuffer opened = await again.OpenUnboundAsync(passphrase, slot, Sample.Token))
        {
            Assert.Equal(own.Span, opened.Span);
        }

        Assert.Equal(ErrorIds.WrongPassphrase, (await Assert.ThrowsAsync<WrongKeyException>(() => again.UnlockAsync("own"))).ErrorId);
        Assert.Equal(ErrorIds.KeySlotUnbound, (await Assert.ThrowsAsync<RefusedException>(() => again.UnlockAsync("own", slot))).ErrorId);
        Assert.Equal(ErrorIds.KeySlotUnbound, (await Assert.ThrowsAsync<RefusedException>(() => again.ChangeAsync(key, slot, "new"))).ErrorId);
        Assert.Equal(ErrorIds.LastKeySlot, (await Assert.ThrowsAsync<RefusedException>(() => again.RemoveAsync(0))).ErrorId);
        await again.RemoveAsync(slot);
        Assert.Single(new Luks2Disk(device.ToArray()).Json()["digests"]!.AsObject());
    }

    [Fact]
    public async Task The_last_slot_goes_only_by_force_and_the_volume_key_brings_it_back()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        Assert.Equal(ErrorIds.LastKeySlot, (await Assert.ThrowsAsync<RefusedException>(() => header.RemoveAsync(0))).ErrorId);

        await header.RemoveAsync(0, force: true);

        LuksHeader empty = await Sample.OpenAsync(device);
        Assert.Equal(ErrorIds.NoActiveKeySlot, (await Assert.ThrowsAsync<MissingException>(() => empty.UnlockAsync(Sample.Passphrase))).ErrorId);
        using SecretBuffer raw = key.Export();
        using VolumeKey again = await empty.UnlockWithVolumeKeyAsync(raw, Sample.Token);
        Assert.Equal(64, again.Payload.KeySize);
        Assert.Equal(0, await empty.AddAsync(again, "back again"));
        Assert.Equal(0, (await empty.UnlockAsync("back again")).Slot);
    }

    [Theory]
    [InlineData(KdfKind.Argon2i, 4, 32, 1)]
    [InlineData(KdfKind.Argon2id, 5, 1000, 3)]
    public async Task Argon2_asked_for_is_Argon2_written(KdfKind kind, long passes, long memoryKiB, int lanes)
    {
        KdfCost cost = KdfCost.OfArgon2(kind, passes, memoryKiB, lanes);
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options with { Cost = cost });
        using SecretBuffer second = Sample.Secret("second");
        await header.AddSlotAsync(key, second, null, cost, Sample.Token);

        LuksHeader again = await Sample.OpenAsync(device);

        Assert.All(again.Slots, slot => Assert.Equal(
            (kind.ToString().ToLowerInvariant(), passes, memoryKiB, lanes, "sha256"),
            (slot.Kdf, slot.Iterations, slot.MemoryKiB, slot.Parallelism, slot.Hash)));
        Assert.Equal(1000, again.Facts.DigestIterations);
        Assert.Equal(0, (await again.UnlockAsync(Sample.Passphrase)).Slot);
        Assert.Equal(1, (await again.UnlockAsync("second")).Slot);
    }

    [Fact]
    public async Task A_time_asked_for_is_measured_as_Argon2id_by_default()
    {
        KdfCost cost = KdfCost.OfTime(TimeSpan.FromMilliseconds(50), memoryKiB: 1024, lanes: 1);

        (_, LuksHeader header, _) = await Sample.FormatAsync(Sample.Luks2Options with { Cost = cost });

        Assert.Equal(("argon2id", 1024L, 1), (header.Slots[0].Kdf, header.Slots[0].MemoryKiB, header.Slots[0].Parallelism));
        Assert.InRange(header.Slots[0].Iterations, 4, 100_000);
        Assert.InRange(header.Facts.DigestIterations, 1001, long.MaxValue);
    }

    [Theory]
    [InlineData(KdfKind.Pbkdf2, 4, 32, 1)]
    [InlineData(KdfKind.Argon2id, 3, 32, 1)]
    [InlineData(KdfKind.Argon2id, 4, 31, 1)]
    [InlineData(KdfKind.Argon2id, 4, (4 << 20) + 1, 1)]
    [InlineData(KdfKind.Argon2id, 4, 32, 0)]
    [InlineData(KdfKind.Argon2id, 4, 64, 5)]
    [InlineData(KdfKind.Argon2id, 4097, 4 << 20, 1)]
    public void Costs_of_Argon2_have_limits(KdfKind kind, long passes, long memoryKiB, int lanes) =>
        Assert.Equal(ErrorIds.KdfCostInvalid,
            Assert.Throws<InvalidInputException>(() => KdfCost.OfArgon2(kind, passes, memoryKiB, lanes)).ErrorId);

    [Theory]
    [InlineData(-1)]
    [InlineData(32)]
    public async Task A_slot_that_the_format_does_not_have_is_refused(int slot)
    {
        (_, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);

        foreach (Func<Task> call in new Func<Task>[]
        {
            () => header.AddAsync(key, "new", slot),
            () => header.ChangeAsync(key, slot, "new"),
            () => header.RemoveAsync(slot, force: true),
            () => header.UnlockAsync(Sample.Passphrase, slot),
            () => header.SetPriorityAsync(slot, KeySlotPriority.Prefer, Sample.Token).AsTask(),
        })
        {
            Assert.Equal(ErrorIds.KeySlotInvalid, (await Assert.ThrowsAsync<InvalidInputException>(call)).ErrorId);
        }
    }

    [Fact]
    public async Task A_slot_that_holds_nothing_is_missing()
    {
        (_, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);

        foreach (Func<Task> call in new Func<Task>[]
        {
            () => header.ChangeAsync(key, 1, "new"),
            () => header.RemoveAsync(1, force: true),
            () => header.UnlockAsync(Sample.Passphrase, 1),
            () => header.SetPriorityAsync(1, KeySlotPriority.Prefer, Sample.Token).AsTask(),
        })
        {
            Assert.Equal(ErrorIds.KeySlotInactive, (await Assert.ThrowsAsync<MissingException>(call)).ErrorId);
        }

        Assert.Equal(ErrorIds.KeySlotOccupied, (await Assert.ThrowsAsync<RefusedException>(() => header.AddAsync(key, "new", 0))).ErrorId);
    }

    [Fact]
    public async Task The_key_of_another_disk_gets_no_slot()
    {
        (MemoryDevice device, LuksHeader header, _) = await Sample.FormatAsync(Sample.Luks2Options);
        (_, _, VolumeKey other) = await Sample.FormatAsync(Sample.Luks2Options);
        byte[] before = device.ToArray();

        foreach (Func<Task> call in new Func<Task>[] { () => header.AddAsync(other, "new"), () => header.ChangeAsync(other, 0, "new") })
        {
            Assert.Equal(ErrorIds.WrongVolumeKey, (await Assert.ThrowsAsync<WrongKeyException>(call)).ErrorId);
        }

        Assert.Equal(before, device.ToArray());
    }

    [Fact]
    public async Task Opening_reads_both_copies_and_unlocking_one_slot()
    {
        (MemoryDevice device, _, _) = await Sample.FormatAsync(Sample.Luks2Options);
        var counter = new ReadCounter(device);

        LuksHeader header = await Sample.OpenAsync(counter);
        Assert.Equal(592 + (2 * 16384), counter.BytesRead);

        await header.UnlockAsync(Sample.Passphrase);
        Assert.Equal(592 + (2 * 16384) + (64 * 4000), counter.BytesRead);
    }

    [Fact]
    public async Task What_only_LUKS2_has_is_refused_by_LUKS1_with_the_way_out()
    {
        (_, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();
        using SecretBuffer raw = key.Export();
        using SecretBuffer passphrase = Sample.Secret("new");

        foreach (Func<Task> call in new Func<Task>[]
        {
            async () => await header.SetPriorityAsync(0, KeySlotPriority.Prefer, Sample.Token),
            async () => await header.SetLabelAsync("x", null, Sample.Token),
            async () => await header.AddTokenAsync("{}", null, Sample.Token),
            async () => await header.SetTokenAsync(0, "{}", Sample.Token),
            async () => await header.RemoveTokenAsync(0, Sample.Token),
            async () => await header.AddUnboundSlotAsync(raw, passphrase, null, Sample.Options.Cost, Sample.Token),
            async () => await header.OpenUnboundAsync(passphrase, 0, Sample.Token),
        })
        {
            var error = await Assert.ThrowsAsync<UnsupportedFeatureException>(call);
            Assert.Equal(ErrorIds.LuksVersionUnsupported, error.ErrorId);
            Assert.Contains("LUKS2", error.Message, StringComparison.Ordinal);
        }

        Assert.False(await header.RepairAsync(Sample.Token));
    }
}
