using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Keys;

public sealed class KeySlotsTests : IDisposable
{
    private readonly Scratch _scratch = new();

    public static TheoryData<SlotDiskKind> Kinds => [.. Enum.GetValues<SlotDiskKind>()];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_second_passphrase_is_one_that_opens_through_all_layers(SlotDiskKind kind)
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, kind);

        KeySlotChange change = await disk.AddAsync("second", slot: 4);

        Assert.Equal((4, null), (change.Slot, change.SamePassphrase));
        Assert.Equal(new KeyTrial(true, 4), await disk.TryAsync("second"));
        Assert.Equal(new KeyTrial(false, null), await disk.TryAsync("third"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task The_same_passphrase_twice_is_noticed(SlotDiskKind kind)
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, kind);

        Assert.Equal(0, (await disk.AddAsync(SlotDisk.Passphrase)).SamePassphrase);
    }

    [Fact]
    public async Task So_it_is_in_a_slot_that_is_tried_only_when_it_is_named()
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, SlotDiskKind.Luks2);
        await disk.AddAsync("second", priority: KeySlotPriority.Ignore);
        Assert.False(await disk.OpensAsync("second"));

        Assert.Equal(1, (await disk.AddAsync("second")).SamePassphrase);
    }

    [Fact]
    public async Task A_key_of_its_own_comes_back_by_its_passphrase_and_opens_nothing()
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, SlotDiskKind.Luks2);
        byte[] key = [.. Enumerable.Range(1, 100).Select(value => (byte)value)];

        int slot = (await disk.AddUnboundAsync(key, "own")).Slot;

        (byte[] read, bool opensData) = await disk.ExportAsync("own", slot, _scratch["own"]);
        Assert.Equal(key, read);
        Assert.False(opensData);
        Assert.True((await disk.ExportAsync(SlotDisk.Passphrase, 0, _scratch["volume"])).OpensData);
        Assert.Equal(new KeyTrial(true, slot), await disk.TryAsync("own", slot));
        Assert.Equal(new KeyTrial(false, null), await disk.TryAsync("wrong", slot));
        Assert.False(await disk.OpensAsync("own"));
    }

    [Theory]
    [InlineData(SlotDiskKind.Luks1)]
    [InlineData(SlotDiskKind.Qcow2)]
    public async Task LUKS1_refuses_what_it_lacks_before_it_writes(SlotDiskKind kind)
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, kind);
        byte[] before = File.ReadAllBytes(_scratch["disk"]);

        await RefusesAsync(() => disk.AddAsync("second", priority: KeySlotPriority.Prefer));
        await RefusesAsync(() => disk.AddUnboundAsync([1, 2, 3], "own"));
        await RefusesAsync(() => disk.SetPriorityAsync(0, KeySlotPriority.Ignore));
        Assert.Equal(before, File.ReadAllBytes(_scratch["disk"]));

        static async Task RefusesAsync(Func<Task> change) =>
            Assert.Equal(ErrorIds.LuksVersionUnsupported, (await Assert.ThrowsAsync<UnsupportedFeatureException>(change)).ErrorId);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_slot_goes_by_its_number_only_if_the_secret_opens_without_it(SlotDiskKind kind)
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, kind);
        await disk.AddAsync("second");

        WrongKeyException error = await Assert.ThrowsAsync<WrongKeyException>(() => disk.RemoveAsync(1, "second"));
        Assert.Equal(ErrorIds.WrongPassphrase, error.ErrorId);
        Assert.True(await disk.OpensAsync("second"));
        Assert.Equal(1, await disk.RemoveAsync(1, SlotDisk.Passphrase));
        Assert.False(await disk.OpensAsync("second"));
    }

    [Fact]
    public async Task The_volume_key_tells_itself_from_another()
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, SlotDiskKind.Luks1);
        SlotDisk other = await SlotDisk.MakeAsync(_scratch, SlotDiskKind.Luks1, "other");
        using DiskKeys own = await disk.VolumeKeyAsync();
        using DiskKeys foreign = await other.VolumeKeyAsync();
        var location = DiskLocation.Parse(_scratch["disk"]);

        Assert.Equal(new KeyTrial(true, null), await KeySlots.TryAsync(location, DiskOpenOptions.Default, own, default));
        Assert.Equal(new KeyTrial(false, null), await KeySlots.TryAsync(location, DiskOpenOptions.Default, foreign, default));
    }

    public void Dispose() => _scratch.Dispose();
}
