using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Keys;

/// <summary>Replaces the passphrase of a key slot, in two phases that may be interrupted and repeated.</summary>
/// <remarks>
/// <para>(1) The new passphrase gets its key material, which is proven by opening the image once more through all of its layers.
/// (2) The old key material is destroyed.</para>
/// <para>LUKS1: the new passphrase gets a slot of its own. A crash in (1) leaves the old passphrase, one before the end of (2) both,
/// or the new one. LUKS2: one change of the header makes the slot point to the new material: a crash leaves the old passphrase or the
/// new one. In all cases the same call again ends with the new passphrase alone.</para>
/// </remarks>
public static class KeyRotation
{
    /// <summary>Replaces the passphrase that <paramref name="current"/> holds, or that of its slot.</summary>
    /// <param name="current">A passphrase of the image; or its volume key, and then a slot.</param>
    /// <param name="replacement">Without a slot: LUKS1 takes the first free one, LUKS2 keeps the old one.</param>
    /// <exception cref="WrongKeyException">The current passphrase opens nothing, and neither does the new one.</exception>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.KeySlotNotProven"/>: the old passphrase still works.</exception>
    public static async ValueTask<KeySlotChange> ChangeAsync(
        DiskLocation location, DiskOpenOptions options, DiskKeys current, NewKeySlot replacement, CancellationToken cancellationToken)
    {
        await using KeySlotSession session = await KeySlotSession.OpenAsync(location, options, writable: true, cancellationToken);
        session.RequirePriority(replacement.Priority);
        (VolumeKey? key, int old, VmCryptException? gone) = await TryUnlockAsync(session, current, cancellationToken);
        if (gone is not null)
        {
            return await FinishAsync(session, replacement, gone, cancellationToken);
        }

        using (key)
        {
            int? same = await session.FindAsync(replacement.Passphrase, except: old, cancellationToken);
            KeySlotChange change = same is { } begun && session.Header.Version == LuksVersion.Luks1
                ? await RetireAsync(session, old, begun, replacement, cancellationToken)
                : new KeySlotChange(await ReplaceAsync(session, key!, old, replacement, cancellationToken)) { SamePassphrase = same };
            await session.SetPriorityAsync(change.Slot, replacement.Priority, cancellationToken);
            return change;
        }
    }

    /// <summary>Derives the key of a passphrase anew, at another cost; the passphrase stays.</summary>
    /// <param name="current">The passphrase; its slot, or null for every slot that it opens (LUKS2: the first).</param>
    /// <remarks>
    /// In LUKS1 the slot's number changes, and an interrupted call leaves two slots of the same passphrase: so all of them are replaced,
    /// because the cheapest one is what a guesser takes.
    /// </remarks>
    public static async ValueTask<KeySlotChange> RenewAsync(
        DiskLocation location, DiskOpenOptions options, DiskKeys current, KdfCost cost, KeySlotPriority? priority, CancellationToken cancellationToken)
    {
        await using KeySlotSession session = await KeySlotSession.OpenAsync(location, options, writable: true, cancellationToken);
        session.RequirePriority(priority);
        SecretBuffer passphrase = session.Passphrase(current);
        (VolumeKey key, int? slot) = await session.UnlockAsync(current, cancellationToken);
        using (key)
        {
            int made = await ReplaceAsync(session, key, slot!.Value, new NewKeySlot(passphrase, cost), cancellationToken);
            int? same = await session.FindAsync(passphrase, except: made, cancellationToken);
            while (same is { } leftover && session.Header.Version == LuksVersion.Luks1 && current.Slot is null)
            {
                await session.Header.RemoveSlotAsync(leftover, force: false, cancellationToken);
                same = await session.FindAsync(passphrase, except: made, cancellationToken);
            }

            await session.SetPriorityAsync(made, priority, cancellationToken);
            return new KeySlotChange(made) { SamePassphrase = same };
        }
    }

    private static ValueTask<int> ReplaceAsync(
        KeySlotSession session, VolumeKey key, int old, NewKeySlot replacement, CancellationToken cancellationToken) =>
        session.Header.ChangeSlotAsync(
            key, old, replacement.Passphrase, replacement.Cost, (slot, token) => session.ProveAsync(replacement.Passphrase, slot, token), cancellationToken);

    // Phase 2 alone: the new passphrase has its slot.
    private static async ValueTask<KeySlotChange> RetireAsync(
        KeySlotSession session, int old, int begun, NewKeySlot replacement, CancellationToken cancellationToken)
    {
        await session.ProveAsync(replacement.Passphrase, begun, cancellationToken);
        await session.Header.RemoveSlotAsync(old, force: false, cancellationToken);
        return new KeySlotChange(begun) { WasBegun = true };
    }

    // The old slot is out of the header already: what may be left of it is noise under no salt, and is overwritten all the same.
    private static async ValueTask<KeySlotChange> FinishAsync(
        KeySlotSession session, NewKeySlot replacement, VmCryptException gone, CancellationToken cancellationToken)
    {
        if (await session.FindAsync(replacement.Passphrase, except: null, cancellationToken) is not { } slot)
        {
            throw gone;
        }

        await session.ProveAsync(replacement.Passphrase, slot, cancellationToken);
        await session.Header.EraseFreeRoomAsync(cancellationToken);
        await session.SetPriorityAsync(slot, replacement.Priority, cancellationToken);
        return new KeySlotChange(slot) { WasBegun = true };
    }

    private static async ValueTask<(VolumeKey? Key, int Slot, VmCryptException? Gone)> TryUnlockAsync(
        KeySlotSession session, DiskKeys current, CancellationToken cancellationToken)
    {
        try
        {
            (VolumeKey key, int? opened) = await session.UnlockAsync(current, cancellationToken);
            int? slot = opened ?? current.Slot;
            if (slot is { } old && session.IsActive(old))
            {
                return (key, old, null);
            }

            key.Dispose();
            return (null, 0, slot is null
                ? throw new InvalidInputException(ErrorIds.KeySlotInvalid, "The volume key opens no key slot; name the slot whose passphrase is to be replaced.")
                : new MissingException(ErrorIds.KeySlotInactive, $"Key slot {slot} holds no key."));
        }
        catch (VmCryptException reason) when (reason.ErrorId is ErrorIds.WrongPassphrase or ErrorIds.KeySlotInactive)
        {
            return (null, 0, reason);
        }
    }
}
