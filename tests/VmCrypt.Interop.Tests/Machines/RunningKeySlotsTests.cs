using System.Text.Json;
using System.Text.Json.Nodes;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Stack;
using VmCrypt.Interop.Tests.Qemu;

namespace VmCrypt.Interop.Tests.Machines;

/// <summary>The key slots of a disk that a real QEMU has open.</summary>
public sealed class RunningKeySlotsTests : IDisposable
{
    private const string Old = "old passphrase";
    private const string New = "new passphrase";

    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<ImageFormat> Formats() => [ImageFormat.Raw, ImageFormat.Qcow2];

    public static TheoryData<string> StepsBeforeProof() => [nameof(RunningStep.Filled), nameof(RunningStep.Proven)];

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [MemberData(nameof(Formats))]
    public async Task A_passphrase_is_replaced_and_QEMU_keeps_nothing_of_it(ImageFormat format)
    {
        RunningDisk disk = await RunningDiskFixture.MakeAsync(_scratch, format, Old);
        using RunningQemu qemu = Start(disk, format);
        QmpClient monitor = await qemu.ConnectAsync();
        await using RunningKeySlots slots = RunningKeySlots.Over(monitor);

        KeySlotChange change = await slots.ChangeAsync(disk, Keys(Old), NewSlot(New), Token);

        Assert.Equal(new KeySlotChange(1), change);
        Assert.Equal((false, true), (await OpensAsync(disk, Old), await OpensAsync(disk, New)));
        await RequireNothingLeftAsync(monitor);
    }

    [Theory]
    [MemberData(nameof(StepsBeforeProof))]
    public async Task What_fails_before_the_old_slot_is_destroyed_is_taken_back(string step)
    {
        RunningDisk disk = await RunningDiskFixture.MakeAsync(_scratch, ImageFormat.Raw, Old);
        using RunningQemu qemu = Start(disk, ImageFormat.Raw);
        await using RunningKeySlots slots = await FailingAfterAsync(qemu, step);

        var fault = await Assert.ThrowsAsync<DeviceFaultException>(async () => await slots.ChangeAsync(disk, Keys(Old), NewSlot(New), Token));

        Assert.Equal(ErrorIds.DeviceIO, fault.ErrorId);
        Assert.Equal((true, false), (await OpensAsync(disk, Old), await OpensAsync(disk, New)));
        Assert.Equal("0", await ActiveAsync(disk));
    }

    [Fact]
    public async Task What_fails_once_the_old_slot_is_destroyed_keeps_the_new_one()
    {
        RunningDisk disk = await RunningDiskFixture.MakeAsync(_scratch, ImageFormat.Qcow2, Old);
        using RunningQemu qemu = Start(disk, ImageFormat.Qcow2);
        await using (RunningKeySlots failing = await FailingAfterAsync(qemu, nameof(RunningStep.Erased)))
        {
            await Assert.ThrowsAsync<DeviceFaultException>(async () => await failing.ChangeAsync(disk, Keys(Old), NewSlot(New), Token));
        }

        Assert.Equal("1", await ActiveAsync(disk));
        await using RunningKeySlots slots = RunningKeySlots.Over(await qemu.ConnectAsync());
        Assert.Equal(new KeySlotChange(1) { WasBegun = true }, await slots.ChangeAsync(disk, Keys(Old), NewSlot(New), Token));
    }

    [Fact]
    public async Task A_change_that_was_cut_short_is_ended_by_the_same_call()
    {
        RunningDisk disk = await RunningDiskFixture.MakeAsync(_scratch, ImageFormat.Raw, Old);
        using RunningQemu qemu = Start(disk, ImageFormat.Raw);
        await using RunningKeySlots slots = RunningKeySlots.Over(await qemu.ConnectAsync());
        await slots.AddAsync(disk, Keys(Old), NewSlot(New), Token);

        KeySlotChange change = await slots.ChangeAsync(disk, Keys(Old), NewSlot(New), Token);

        Assert.Equal(new KeySlotChange(1) { WasBegun = true }, change);
        Assert.Equal("1", await ActiveAsync(disk));
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public async Task Slots_are_added_and_destroyed_but_not_the_last(ImageFormat format)
    {
        RunningDisk disk = await RunningDiskFixture.MakeAsync(_scratch, format, Old);
        using RunningQemu qemu = Start(disk, format);
        await using RunningKeySlots slots = RunningKeySlots.Over(await qemu.ConnectAsync());

        Assert.Equal(new KeySlotChange(7), await slots.AddAsync(disk, Keys(Old), NewSlot(New) with { Slot = 7 }, Token));
        Assert.Equal(7, (await slots.AddAsync(disk, Keys(Old), NewSlot(New), Token)).SamePassphrase);
        await RefusedAsync(ErrorIds.KeySlotOccupied, () => slots.AddAsync(disk, Keys(Old), NewSlot(New) with { Slot = 7 }, Token));
        await RefusedAsync(ErrorIds.WrongPassphrase, () => slots.RemoveAsync(disk, 0, Keys(Old), Token));
        Assert.Equal(0, await slots.RemoveAsync(disk, null, Keys(Old), Token));
        Assert.Equal(1, await slots.RemoveAsync(disk, 1, Keys(New), Token));
        await RefusedAsync(ErrorIds.LastKeySlot, () => slots.RemoveAsync(disk, 7, null, Token));
        await RefusedAsync(ErrorIds.KeySlotInactive, () => slots.RemoveAsync(disk, 1, null, Token));
        Assert.Equal("7", await ActiveAsync(disk));
    }

    [Fact]
    public async Task What_cannot_be_done_is_refused_before_anything_is_changed()
    {
        RunningDisk disk = await RunningDiskFixture.MakeAsync(_scratch, ImageFormat.Raw, Old);
        using RunningQemu qemu = Start(disk, ImageFormat.Raw);
        await using RunningKeySlots slots = RunningKeySlots.Over(await qemu.ConnectAsync());
        byte[] before = File.ReadAllBytes(disk.Location.Text);
        RunningDisk other = await RunningDiskFixture.MakeAsync(_scratch, ImageFormat.Qcow2, Old);

        await RefusedAsync(ErrorIds.WrongPassphrase, () => slots.ChangeAsync(disk, Keys(New), NewSlot("third"), Token));
        await RefusedAsync(ErrorIds.PassphraseInvalid, () => slots.ChangeAsync(disk, Keys(Old), NewSlot("zero\0byte"), Token));
        await RefusedAsync(ErrorIds.KdfCostInvalid, () => slots.AddAsync(disk, Keys(Old), NewSlot(New) with { Cost = KdfCost.OfIterations(1000) }, Token));
        await RefusedAsync(ErrorIds.KeyRequired, () => slots.AddAsync(disk, new DiskKeys { VolumeKey = SecretBuffer.Random(64) }, NewSlot(New), Token));
        await RefusedAsync(ErrorIds.QemuNodeMissing, () => slots.AddAsync(other, Keys(Old), NewSlot(New), Token));
        await RefusedAsync(ErrorIds.QemuNodeMissing, () => slots.AddAsync(disk with { NodeName = "nowhere" }, Keys(Old), NewSlot(New), Token));
        Assert.Equal(before, File.ReadAllBytes(disk.Location.Text));
    }

    [Fact]
    public async Task Another_reader_of_a_raw_disk_makes_QEMU_refuse_and_nothing_is_changed()
    {
        RunningDisk disk = await RunningDiskFixture.MakeAsync(_scratch, ImageFormat.Raw, Old);
        using RunningQemu qemu = Start(disk, ImageFormat.Raw);
        await using RunningKeySlots slots = RunningKeySlots.Over(await qemu.ConnectAsync());
        await using DiskStack reader = await DiskStack.OpenAsync(disk.Location, disk.Options with { ForceShare = true }, Token);

        await RefusedAsync(ErrorIds.MonitorRefused, () => slots.ChangeAsync(disk, Keys(Old), NewSlot(New), Token));

        Assert.Equal("0", await ActiveAsync(disk));
    }

    [Fact]
    public async Task A_busy_image_is_described_and_says_so()
    {
        RunningDisk disk = await RunningDiskFixture.MakeAsync(_scratch, ImageFormat.Qcow2, Old);
        using RunningQemu qemu = Start(disk, ImageFormat.Qcow2);
        await qemu.WaitAsync();

        ImageDescription image = await ImageInspector.DescribeAsync(disk.Location, DiskOpenOptions.Default, Token);

        Assert.Equal((true, EncryptionPlacement.Inside, 1), (image.InUse, image.Encryption, image.Luks!.Slots.Count(slot => slot.IsActive)));
        await RefusedAsync(ErrorIds.ImageInUse, () => KeySlots.RemoveAsync(disk.Location, disk.Options, 0, null, force: true, Token));
    }

    private static DiskKeys Keys(string passphrase) => RunningDiskFixture.Keys(passphrase);

    private static NewKeySlot NewSlot(string passphrase) => RunningDiskFixture.NewSlot(passphrase);

    private static async Task RefusedAsync<T>(string errorId, Func<ValueTask<T>> change) =>
        Assert.Equal(errorId, (await Assert.ThrowsAnyAsync<VmCryptException>(async () => await change())).ErrorId);

    private static async Task<string> ActiveAsync(RunningDisk disk) =>
        string.Join(' ', (await KeySlots.ListAsync(disk.Location, disk.Options, Token)).Where(slot => slot.IsActive).Select(slot => slot.Number));

    private static async Task<bool> OpensAsync(RunningDisk disk, string passphrase)
    {
        using DiskKeys keys = Keys(passphrase);
        return (await KeySlots.TryAsync(disk.Location, disk.Options with { ForceShare = true }, keys, Token)).Opens;
    }

    private RunningQemu Start(RunningDisk disk, ImageFormat format) => RunningQemu.Start(_scratch, RunningDiskFixture.Arguments(_scratch, disk, format, Old));

    private static async Task<RunningKeySlots> FailingAfterAsync(RunningQemu qemu, string step) => RunningKeySlots.Over(await qemu.ConnectAsync(), reached =>
    {
        if (reached.ToString() == step)
        {
            throw new DeviceFaultException(ErrorIds.DeviceIO, "made to fail");
        }
    });

    private static async Task RequireNothingLeftAsync(QmpClient monitor)
    {
        JsonElement objects = await monitor.ExecuteAsync("qom-list", new JsonObject { ["path"] = "/objects" }, Token);
        Assert.DoesNotContain(objects.EnumerateArray(), child => child.GetProperty("name").GetString()!.StartsWith("vmcrypt", StringComparison.Ordinal));
        Assert.Empty((await monitor.ExecuteAsync("query-jobs", null, Token)).EnumerateArray());
    }
}
