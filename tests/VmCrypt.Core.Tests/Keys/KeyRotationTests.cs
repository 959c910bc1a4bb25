using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Keys;

public sealed class KeyRotationTests : IDisposable
{
    private readonly Scratch _scratch = new();

    public static TheoryData<SlotDiskKind> Kinds => [.. Enum.GetValues<SlotDiskKind>()];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task The_new_passphrase_takes_the_place_of_the_old_one(SlotDiskKind kind)
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, kind);
        await disk.AddAsync("keeper", slot: 3);

        KeySlotChange change = await disk.ChangeAsync(SlotDisk.Passphrase, "second");

        bool keepsNumber = kind is SlotDiskKind.Luks2 or SlotDiskKind.Over;
        Assert.Equal((keepsNumber ? 0 : 1, null, false), (change.Slot, change.SamePassphrase, change.WasBegun));
        Assert.False(await disk.OpensAsync(SlotDisk.Passphrase));
        Assert.True(await disk.OpensAsync("second"));
        Assert.True(await disk.OpensAsync("keeper"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_change_that_is_complete_may_be_asked_for_again(SlotDiskKind kind)
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, kind);
        KeySlotChange first = await disk.ChangeAsync(SlotDisk.Passphrase, "second");

        KeySlotChange again = await disk.ChangeAsync(SlotDisk.Passphrase, "second");

        Assert.Equal((first.Slot, true), (again.Slot, again.WasBegun));
        Assert.True(await disk.OpensAsync("second"));
        Assert.Single(await disk.SlotsAsync());
    }

    [Fact]
    public async Task A_change_that_stopped_between_its_phases_is_only_ended()
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, SlotDiskKind.Luks1);
        await disk.AddAsync("second", slot: 5);

        KeySlotChange change = await disk.ChangeAsync(SlotDisk.Passphrase, "second");

        Assert.Equal((5, true), (change.Slot, change.WasBegun));
        Assert.Equal([5], (await disk.SlotsAsync()).Select(slot => slot.Number));
    }

    [Fact]
    public async Task Where_LUKS2_has_the_new_passphrase_already_the_slot_is_changed_all_the_same()
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, SlotDiskKind.Luks2);
        await disk.AddAsync("second", slot: 4);

        KeySlotChange change = await disk.ChangeAsync(SlotDisk.Passphrase, "second");

        Assert.Equal((0, 4, false), (change.Slot, change.SamePassphrase, change.WasBegun));
        Assert.False(await disk.OpensAsync(SlotDisk.Passphrase));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_wrong_passphrase_changes_nothing(SlotDiskKind kind)
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, kind);
        byte[] before = File.ReadAllBytes(_scratch["disk"]);

        WrongKeyException error = await Assert.ThrowsAsync<WrongKeyException>(() => disk.ChangeAsync("wrong", "second"));

        Assert.Equal(ErrorIds.WrongPassphrase, error.ErrorId);
        Assert.Equal(before, File.ReadAllBytes(_scratch["disk"]));
    }

    [Theory]
    [InlineData(SlotDiskKind.Luks1)]
    [InlineData(SlotDiskKind.Luks2)]
    public async Task The_volume_key_changes_a_slot_that_is_named(SlotDiskKind kind)
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, kind);
        await disk.AddAsync("forgotten", slot: 2);

        KeySlotChange change = await disk.ChangeAsync(await disk.VolumeKeyAsync(slot: 2), "second");

        Assert.Equal(change.Slot, (await disk.TryAsync("second")).Slot);
        Assert.False(await disk.OpensAsync("forgotten"));
        Assert.True(await disk.OpensAsync(SlotDisk.Passphrase));
        InvalidInputException error = await Assert.ThrowsAsync<InvalidInputException>(async () => await disk.ChangeAsync(await disk.VolumeKeyAsync(), "third"));
        Assert.Equal(ErrorIds.KeySlotInvalid, error.ErrorId);
    }

    [Fact]
    public async Task LUKS1_with_all_slots_in_use_is_left_alone_and_says_what_to_do()
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, SlotDiskKind.Luks1);
        for (int slot = 1; slot < 8; slot++)
        {
            await disk.AddAsync($"slot {slot}");
        }

        byte[] before = File.ReadAllBytes(_scratch["disk"]);
        RefusedException error = await Assert.ThrowsAsync<RefusedException>(() => disk.ChangeAsync(SlotDisk.Passphrase, "second"));

        Assert.Equal(ErrorIds.KeySlotsFull, error.ErrorId);
        Assert.Contains("Remove one first, or convert the header to LUKS2", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(_scratch["disk"]));
        Assert.Equal((7, true), (await disk.ChangeAsync(SlotDisk.Passphrase, "slot 7")) is var ended ? (ended.Slot, ended.WasBegun) : default);
    }

    [Theory]
    [InlineData(SlotDiskKind.Luks1)]
    [InlineData(SlotDiskKind.Luks2)]
    public async Task A_passphrase_stays_while_its_cost_changes(SlotDiskKind kind)
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, kind);

        KeySlotChange change = await disk.RenewAsync(SlotDisk.Passphrase, KdfCost.OfIterations(2000));

        Assert.Equal((change.Slot, 2000L), (await disk.SlotsAsync()).Select(slot => (slot.Number, slot.Iterations)).Single());
        Assert.True(await disk.OpensAsync(SlotDisk.Passphrase));
    }

    [Fact]
    public async Task LUKS2_goes_from_one_kind_of_derivation_to_the_other_and_keeps_the_slot_s_priority()
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, SlotDiskKind.Luks2);
        await disk.SetPriorityAsync(0, KeySlotPriority.Prefer);

        await disk.RenewAsync(SlotDisk.Passphrase, KdfCost.OfArgon2(KdfKind.Argon2i, 4, 64, 1));

        KeySlotFacts slot = Assert.Single(await disk.SlotsAsync());
        Assert.Equal(("argon2i", 64L, KeySlotPriority.Prefer), (slot.Kdf, slot.MemoryKiB, slot.Priority));
        await disk.RenewAsync(SlotDisk.Passphrase, SlotDisk.Cheap);
        Assert.Equal("pbkdf2", Assert.Single(await disk.SlotsAsync()).Kdf);
        Assert.True(await disk.OpensAsync(SlotDisk.Passphrase));
    }

    [Fact]
    public async Task What_an_interrupted_renewal_left_goes_with_the_next_one()
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, SlotDiskKind.Luks1);
        await disk.AddAsync("keeper", slot: 1);
        await disk.AddAsync(SlotDisk.Passphrase, slot: 6);

        await disk.RenewAsync(SlotDisk.Passphrase, KdfCost.OfIterations(2000));

        Assert.Equal([("keeper", 1L), (SlotDisk.Passphrase, 2L)],
            (await disk.SlotsAsync()).Select(slot => (slot.Number == 1 ? "keeper" : SlotDisk.Passphrase, slot.Iterations / 1000)));
    }

    [Theory]
    [InlineData(SlotDiskKind.Luks1)]
    [InlineData(SlotDiskKind.Luks2)]
    public async Task A_proof_that_fails_undoes_the_change(SlotDiskKind kind)
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, kind);
        var options = new DiskOpenOptions { Writable = true };
        await using (DiskStack stack = await DiskStack.OpenAsync(DiskLocation.Parse(_scratch["disk"]), options, default))
        {
            using DiskKeys keys = await VolumeKeyOfAsync(stack);
            using VolumeKey key = await stack.RequireLuks().UnlockWithVolumeKeyAsync(keys.VolumeKey!, default);
            using SecretBuffer second = SecretBuffer.CopyOf("second"u8);

            DeviceFaultException error = await Assert.ThrowsAsync<DeviceFaultException>(async () => await stack.RequireLuks().ChangeSlotAsync(
                key, 0, second, SlotDisk.Cheap, (_, _) => throw new WrongKeyException(ErrorIds.WrongPassphrase, "The stack does not open."), default));
            Assert.Equal(ErrorIds.KeySlotNotProven, error.ErrorId);
        }

        Assert.True(await disk.OpensAsync(SlotDisk.Passphrase));
        Assert.False(await disk.OpensAsync("second"));
        Assert.Single(await disk.SlotsAsync());
    }

    public void Dispose() => _scratch.Dispose();

    private static async Task<DiskKeys> VolumeKeyOfAsync(DiskStack stack)
    {
        using SecretBuffer secret = SecretBuffer.CopyOf("first"u8);
        using VolumeKey key = (await stack.RequireLuks().UnlockAsync(secret, null, default)).Key;
        return new DiskKeys { VolumeKey = key.Export() };
    }
}
