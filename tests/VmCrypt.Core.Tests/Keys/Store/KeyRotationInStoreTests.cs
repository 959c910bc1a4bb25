using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Keys.Store;

/// <summary>A stored secret is replaced in two phases; whatever is left of an interrupted one, the disk opens by the store, and it can be ended.</summary>
public sealed class KeyRotationInStoreTests : IAsyncLifetime
{
    private const string New = "the new one";

    private StoreFolder _folder = null!;

    public static TheoryData<SlotDiskKind> Kinds => [.. Enum.GetValues<SlotDiskKind>()];

    private static CancellationToken Token => Sample.Token;

    private DiskLocation Location => DiskLocation.Parse(_folder.Scratch["disk"]);

    public async ValueTask InitializeAsync() => _folder = await StoreFolder.MakeAsync();

    public ValueTask DisposeAsync()
    {
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task The_new_secret_opens_the_disk_and_the_old_one_does_not(SlotDiskKind kind)
    {
        (SlotDisk disk, DiskKeyEntry entry) = await MakeAsync(kind);
        using DiskKeyRing ring = await _folder.UnlockAsync();
        using SecretBuffer replacement = Sample.Secret(New);
        DiskKeyEntry made = await ring.RotateAsync(entry, replacement, SlotDisk.Cheap, change: null, Token);

        Assert.False(made.IsRotating);
        Assert.Equal(DiskKeyState.Good, (await ring.TryAsync(made, Token)).State);
        Assert.Equal(New, await TakenAsync());
        Assert.False(await disk.OpensAsync(SlotDisk.Passphrase));
        Assert.Equal(
            ["DiskKey.Register", "DiskKey.RotationBegun", "DiskKey.Rotated", "DiskKey.Use"],
            _folder.Audit().Skip(1).Select(line => line.Split("\"action\":\"")[1].Split('"')[0]));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Stopped_before_the_slot_changes_it_goes_back(SlotDiskKind kind)
    {
        (SlotDisk disk, DiskKeyEntry entry) = await MakeAsync(kind);
        await CrashAsync(entry, (_, _, _) => throw new CrashException());

        Assert.Equal(DiskKeyState.RotationNotMade, await StateAsync());
        Assert.Equal(SlotDisk.Passphrase, await TakenAsync());
        Assert.Equal(DiskKeyState.Good, await SettledAsync());
        Assert.False((await StoredAsync()).IsRotating);
        Assert.True(await disk.OpensAsync(SlotDisk.Passphrase));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Stopped_after_the_slot_changed_it_goes_on(SlotDiskKind kind)
    {
        (SlotDisk disk, DiskKeyEntry entry) = await MakeAsync(kind);
        await CrashAsync(entry, async (current, added, token) =>
        {
            await KeyRotation.ChangeAsync(Location, DiskOpenOptions.Default, current, added, token);
            throw new CrashException();
        });

        Assert.Equal(DiskKeyState.RotationNotConfirmed, await StateAsync());
        Assert.Equal(New, await TakenAsync());
        Assert.Equal(DiskKeyState.Good, await SettledAsync());
        Assert.Equal(New, await TakenAsync());
        Assert.Single(await disk.SlotsAsync());
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Stopped_while_both_secrets_open_it_ends_with_the_new_one(SlotDiskKind kind)
    {
        (SlotDisk disk, DiskKeyEntry entry) = await MakeAsync(kind);
        await CrashAsync(entry, async (_, _, _) =>
        {
            await disk.AddAsync(New);
            throw new CrashException();
        });

        Assert.Equal(DiskKeyState.RotationNotConfirmed, await StateAsync());
        Assert.Equal(DiskKeyState.Good, await SettledAsync());
        Assert.Equal(New, await TakenAsync());
        bool luks1 = kind is SlotDiskKind.Luks1 or SlotDiskKind.Qcow2;
        Assert.Equal(!luks1, await disk.OpensAsync(SlotDisk.Passphrase));
    }

    [Fact]
    public async Task The_next_rotation_ends_the_interrupted_one_first()
    {
        (SlotDisk disk, DiskKeyEntry entry) = await MakeAsync(SlotDiskKind.Luks1);
        await CrashAsync(entry, async (_, _, _) =>
        {
            await disk.AddAsync(New);
            throw new CrashException();
        });
        using DiskKeyRing ring = await _folder.UnlockAsync();
        using SecretBuffer third = Sample.Secret("third");
        await ring.RotateAsync(await StoredAsync(), third, SlotDisk.Cheap, change: null, Token);

        Assert.Equal("third", await TakenAsync());
        Assert.Single(await disk.SlotsAsync());
    }

    [Fact]
    public async Task A_disk_in_use_keeps_its_secret_and_no_rotation_stays_begun()
    {
        (_, DiskKeyEntry entry) = await MakeAsync(SlotDiskKind.Qcow2);
        await using DiskStack user = await DiskStack.OpenAsync(Location, new DiskOpenOptions { Writable = true }, Token);
        using DiskKeyRing ring = await _folder.UnlockAsync();
        using SecretBuffer replacement = Sample.Secret(New);

        var fault = await Assert.ThrowsAsync<DeviceBusyException>(() => ring.RotateAsync(entry, replacement, SlotDisk.Cheap, change: null, Token));
        Assert.Equal(ErrorIds.ImageInUse, fault.ErrorId);
        Assert.False((await StoredAsync()).IsRotating);
        Assert.Equal(SlotDisk.Passphrase, await TakenAsync());
    }

    [Fact]
    public async Task A_record_that_was_forged_begins_no_rotation()
    {
        (_, DiskKeyEntry entry) = await MakeAsync(SlotDiskKind.Luks2);
        using DiskKeyRing ring = await _folder.UnlockAsync();
        using SecretBuffer replacement = Sample.Secret(New);
        DiskKeyEntry forged = entry with { Current = entry.Current with { Slot = 1 } };

        var fault = await Assert.ThrowsAsync<InvalidImageException>(() => ring.RotateAsync(forged, replacement, SlotDisk.Cheap, change: null, Token));
        Assert.Equal(ErrorIds.DiskKeyForged, fault.ErrorId);
        Assert.False((await StoredAsync()).IsRotating);
        Assert.Equal(SlotDisk.Passphrase, await TakenAsync());
    }

    [Fact]
    public async Task Where_neither_secret_opens_both_stay_stored()
    {
        (SlotDisk disk, DiskKeyEntry entry) = await MakeAsync(SlotDiskKind.Luks2);
        await CrashAsync(entry, (_, _, _) => throw new CrashException());
        await disk.ChangeAsync(SlotDisk.Passphrase, "somebody's");

        Assert.Equal(DiskKeyState.Stale, await StateAsync());
        using DiskKeyRing ring = await _folder.UnlockAsync();
        DiskKeyEntry stored = await StoredAsync();
        Assert.Equal(ErrorIds.WrongPassphrase, (await Assert.ThrowsAsync<WrongKeyException>(() => ring.SettleAsync(stored, Token))).ErrorId);
        Assert.True((await StoredAsync()).IsRotating);
    }

    private async Task<(SlotDisk Disk, DiskKeyEntry Entry)> MakeAsync(SlotDiskKind kind)
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_folder.Scratch, kind);
        using DiskKeyRing ring = await _folder.UnlockAsync();
        using SecretBuffer secret = Sample.Secret(SlotDisk.Passphrase);
        return (disk, await ring.RegisterAsync(new DiskIdentity { Path = Location.Text }, secret, slot: 0, Token));
    }

    private async Task CrashAsync(DiskKeyEntry entry, Func<DiskKeys, NewKeySlot, CancellationToken, ValueTask<KeySlotChange>> change)
    {
        using DiskKeyRing ring = await _folder.UnlockAsync();
        using SecretBuffer replacement = Sample.Secret(New);
        await Assert.ThrowsAsync<CrashException>(() => ring.RotateAsync(entry, replacement, SlotDisk.Cheap, change, Token));
    }

    private async Task<DiskKeyEntry> StoredAsync() => Assert.Single(await _folder.Store.ListAsync(Token));

    private async Task<DiskKeyState> StateAsync()
    {
        using DiskKeyRing ring = await _folder.UnlockAsync();
        return (await ring.TryAsync(await StoredAsync(), Token)).State;
    }

    private async Task<DiskKeyState> SettledAsync()
    {
        using DiskKeyRing ring = await _folder.UnlockAsync();
        return (await ring.SettleAsync(await StoredAsync(), Token)).State;
    }

    private async Task<string> TakenAsync()
    {
        using DiskKeyRing ring = await _folder.UnlockAsync();
        using DiskKeys keys = await ring.TakeAsync(await StoredAsync(), Location, DiskOpenOptions.Default, slot: null, Token);
        return System.Text.Encoding.UTF8.GetString(keys.Default!.Span);
    }
}
