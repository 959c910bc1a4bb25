using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Keys.Store;

/// <remarks>
/// Rotation, and what a crash after each step leaves: (1) the new secret is stored as pending beside the old one: the old one opens the
/// disk; (2) the key slot is changed (<see cref="KeyRotation"/>): one of the two opens it, or both; (3) the new secret takes the place of
/// the old one. Whoever takes the key of such a record gets the secret that opens; <see cref="SettleAsync"/> ends what was begun.
/// </remarks>
public sealed partial class DiskKeyRing
{
    /// <summary>Replaces the secret of a disk, in its key slot and here.</summary>
    /// <param name="replacement">Borrowed.</param>
    /// <param name="change">Changes the slot; null for a disk that no VM has open.</param>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>: the stored secret is stale.</exception>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.DiskKeyChanged"/>, <see cref="ErrorIds.ImageInUse"/>.</exception>
    public async Task<DiskKeyEntry> RotateAsync(
        DiskKeyEntry entry, SecretBuffer replacement, KdfCost cost,
        Func<DiskKeys, NewKeySlot, CancellationToken, ValueTask<KeySlotChange>>? change, CancellationToken cancellationToken)
    {
        change ??= ChangeOf(entry);
        if (entry.IsRotating)
        {
            entry = (await SettleAsync(entry, cancellationToken)).Entry;
        }

        // Before anything is stored: a record that was forged is left as it is.
        using var current = new DiskKeys(_key.Unwrap(entry, entry.Current));
        WrappedSecret pending = _key.Wrap(entry.Id, entry.Disk, SecretRole.Pending, slot: null, replacement);
        entry = await PutAsync("DiskKey.RotationBegun", entry with { Pending = pending }, cancellationToken);
        try
        {
            KeySlotChange made = await change(current, new NewKeySlot(replacement, cost), cancellationToken);
            return await ConfirmAsync(entry, replacement, made.Slot, cancellationToken);
        }
        catch (VmCryptException)
        {
            await TrySettleAsync(entry);
            throw;
        }
    }

    /// <summary>Brings an interrupted rotation to its end: to the new secret if it opens the disk, else back to the old one.</summary>
    /// <returns>The record as it is then, and which way it went.</returns>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>: neither opens the disk; both stay stored.</exception>
    public async Task<DiskKeyTrial> SettleAsync(DiskKeyEntry entry, CancellationToken cancellationToken)
    {
        DiskKeyTrial trial = await TryOnImageAsync(entry, cancellationToken);
        switch (trial.State)
        {
            case DiskKeyState.RotationNotMade:
                DiskKeyEntry back = await PutAsync("DiskKey.RotationUndone", entry with { Pending = null }, cancellationToken);
                return new DiskKeyTrial(back, DiskKeyState.Good, trial.Slot, Reason: null);
            case DiskKeyState.RotationNotConfirmed:
                using (SecretBuffer replacement = _key.Unwrap(entry, entry.Pending!))
                {
                    int slot = await RetireAsync(entry, replacement, trial.Slot!.Value, cancellationToken);
                    DiskKeyEntry made = await ConfirmAsync(entry, replacement, slot, cancellationToken);
                    return new DiskKeyTrial(made, DiskKeyState.Good, slot, Reason: null);
                }

            case DiskKeyState.Stale when entry.IsRotating:
                throw new WrongKeyException(ErrorIds.WrongPassphrase, trial.Reason!);
            default:
                return trial;
        }
    }

    // LUKS1 makes a slot for the new secret before it destroys the old one, so both may open; in LUKS2 the slot has one or the other.
    private async Task<int> RetireAsync(DiskKeyEntry entry, SecretBuffer replacement, int slot, CancellationToken cancellationToken)
    {
        var location = DiskLocation.Parse(entry.Disk.Path);
        bool oldOpens = await SlotOfAsync(entry, entry.Current, location, OptionsOf(entry) with { ForceShare = true }, cancellationToken) is not null;
        LuksVersion? version = (await ImageInspector.DescribeAsync(location, OptionsOf(entry), cancellationToken)).Luks?.Version;
        if (oldOpens && version != LuksVersion.Luks1)
        {
            return slot;
        }

        using var current = new DiskKeys(_key.Unwrap(entry, entry.Current));
        return (await ChangeOf(entry)(current, new NewKeySlot(replacement, KdfCost.Default), cancellationToken)).Slot;
    }

    private Task<DiskKeyEntry> ConfirmAsync(DiskKeyEntry entry, SecretBuffer replacement, int slot, CancellationToken cancellationToken) =>
        PutAsync("DiskKey.Rotated", entry with { Current = _key.Wrap(entry.Id, entry.Disk, SecretRole.Current, slot, replacement), Pending = null }, cancellationToken);

    // The error that is on its way says more than why the record could not be put right at once.
    private async Task TrySettleAsync(DiskKeyEntry entry)
    {
        try
        {
            await SettleAsync(entry, CancellationToken.None);
        }
        catch (VmCryptException)
        {
        }
    }

    private static Func<DiskKeys, NewKeySlot, CancellationToken, ValueTask<KeySlotChange>> ChangeOf(DiskKeyEntry entry) => (current, replacement, token) =>
        KeyRotation.ChangeAsync(DiskLocation.Parse(entry.Disk.Path), OptionsOf(entry), current, replacement, token);
}
