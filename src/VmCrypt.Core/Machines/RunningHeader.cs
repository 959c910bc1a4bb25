using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Machines;

/// <summary>The LUKS header of a disk in use, read from the medium at each question.</summary>
/// <remarks>
/// It is read in spite of the VM's locks. While it is open, QEMU cannot change it: so it never stays open. Nobody but QEMU changes a
/// header that QEMU has open, so that what is read between two changes is whole.
/// </remarks>
internal sealed class RunningHeader
{
    private readonly DiskLocation _location;
    private readonly DiskOpenOptions _options;
    private readonly IReadOnlyList<KeySlotFacts> _slots;

    private RunningHeader(DiskLocation location, DiskOpenOptions options, IReadOnlyList<KeySlotFacts> slots)
    {
        _location = location;
        _options = options;
        _slots = slots;
    }

    public static async ValueTask<RunningHeader> ReadAsync(RunningDisk disk, CancellationToken cancellationToken)
    {
        DiskOpenOptions options = disk.Options with { ForceShare = true };
        return new RunningHeader(disk.Location, options, await KeySlots.ListAsync(disk.Location, options, cancellationToken));
    }

    public SecretBuffer Passphrase(DiskKeys keys) => keys.For(_location) is { } passphrase && keys.VolumeKey is null
        ? passphrase
        : throw new InvalidInputException(ErrorIds.KeyRequired, $"The VM's QEMU changes the key slots of {_location}, and needs a passphrase that opens one.");

    /// <summary>The slot that the keys open.</summary>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>.</exception>
    public async ValueTask<int> RequireOpensAsync(DiskKeys keys, CancellationToken cancellationToken)
    {
        _ = Passphrase(keys);
        await using KeySlotSession session = await OpenAsync(cancellationToken);
        (VolumeKey key, int? slot) = await session.UnlockAsync(keys, cancellationToken);
        key.Dispose();
        return slot!.Value;
    }

    public async ValueTask<bool> OpensAsync(DiskKeys keys, CancellationToken cancellationToken) =>
        (await KeySlots.TryAsync(_location, _options, keys, cancellationToken)).Opens;

    /// <summary>The first slot that the passphrase opens; null for none.</summary>
    public async ValueTask<int?> FindAsync(SecretBuffer passphrase, int? except, CancellationToken cancellationToken)
    {
        await using KeySlotSession session = await OpenAsync(cancellationToken);
        return await session.FindAsync(passphrase, except, cancellationToken);
    }

    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>.</exception>
    public async ValueTask RequireWithoutAsync(DiskKeys keys, int slot, CancellationToken cancellationToken)
    {
        await using KeySlotSession session = await OpenAsync(cancellationToken);
        await session.RequireWithoutAsync(keys, slot, cancellationToken);
    }

    /// <summary>Opens the disk by one slot, as the medium holds it now.</summary>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.KeySlotNotProven"/>.</exception>
    public async ValueTask ProveAsync(SecretBuffer passphrase, int slot)
    {
        try
        {
            await using KeySlotSession session = await OpenAsync(CancellationToken.None);
            await session.ProveAsync(passphrase, slot, CancellationToken.None);
        }
        catch (VmCryptException fault)
        {
            throw new DeviceFaultException(ErrorIds.KeySlotNotProven, $"QEMU has written key slot {slot}, but it does not open {_location}, and is destroyed again.", fault);
        }
    }

    public async ValueTask<bool> IsActiveAsync(int slot)
    {
        await using KeySlotSession session = await OpenAsync(CancellationToken.None);
        return session.IsActive(slot);
    }

    /// <exception cref="RefusedException"><see cref="ErrorIds.KeySlotOccupied"/>, <see cref="ErrorIds.KeySlotsFull"/>.</exception>
    public int RequireFree(int? slot)
    {
        if (slot is { } named && Facts(named).IsActive)
        {
            throw new RefusedException(ErrorIds.KeySlotOccupied, $"Key slot {named} holds a key; remove it first.");
        }

        return slot ?? _slots.FirstOrDefault(facts => !facts.IsActive)?.Number ?? throw new RefusedException(ErrorIds.KeySlotsFull,
            $"All {_slots.Count} key slots are in use, and no passphrase is replaced in place; remove one that nobody needs.");
    }

    /// <exception cref="RefusedException"><see cref="ErrorIds.LastKeySlot"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeySlotInactive"/>.</exception>
    public void RequireNotLast(int slot)
    {
        if (!Facts(slot).IsActive)
        {
            throw new MissingException(ErrorIds.KeySlotInactive, $"Key slot {slot} holds no key.");
        }

        if (_slots.Count(facts => facts.IsActive) == 1)
        {
            throw new RefusedException(ErrorIds.LastKeySlot, $"Key slot {slot} is the last one, and a VM has the disk open; it is never destroyed then.");
        }
    }

    private KeySlotFacts Facts(int slot) => _slots.FirstOrDefault(facts => facts.Number == slot)
        ?? throw new InvalidInputException(ErrorIds.KeySlotInvalid, $"The key slot is {slot}, but must be 0 to {_slots.Count - 1}.");

    private ValueTask<KeySlotSession> OpenAsync(CancellationToken cancellationToken) =>
        KeySlotSession.OpenAsync(_location, _options, writable: false, cancellationToken);
}
