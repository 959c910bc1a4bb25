using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>What changes a LUKS2 header. <see cref="Luks2Store"/> says in which order it is written.</summary>
internal sealed partial class Luks2BoundHeader
{
    public override async ValueTask<int> AddSlotAsync(
        VolumeKey key, SecretBuffer passphrase, int? slot, KdfCost cost, CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        LuksPassphrase.RequireUsable(passphrase);
        int number = FreeSlot(slot);
        await FillAsync(key, passphrase, number, cost, withToken: null, cancellationToken);
        return number;
    }

    public override async ValueTask<int> AddUnboundSlotAsync(
        SecretBuffer key, SecretBuffer passphrase, int? slot, KdfCost cost, CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        LuksPassphrase.RequireUsable(passphrase);
        Luks2Slot.RequireKeySize(key.Length);
        int number = FreeSlot(slot);
        int digest = FreeDigest();
        (Luks2Slot made, byte[] material) = await SealAsync(number, key.Memory, passphrase, cost, cancellationToken);
        Luks2Proof proof = await LuksWork.RunAsync(
            () => Luks2Proof.Create(Hash, new Pbkdf2Meter(Hash, key.Length, cancellationToken).Digest(cost), key.Span), cancellationToken);
        Luks2Metadata next = new Luks2Edit(_store.Metadata).AddDigest(digest, proof, segments: []).AddKeyslot(made, digest).Done();
        await FillAsync(made, material, next, cancellationToken);
        return number;
    }

    /// <remarks>
    /// The slot keeps its number, priority and tokens: the new key material goes to a free area, is opened from the medium, and
    /// one change of the header makes the slot point to it. Only then, and only if the header reads back, the old area is destroyed.
    /// </remarks>
    /// <inheritdoc/>
    public override async ValueTask<int> ChangeSlotAsync(
        VolumeKey key, int slot, SecretBuffer newPassphrase, KdfCost cost, Func<int, CancellationToken, ValueTask>? prove, CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        LuksPassphrase.RequireUsable(newPassphrase);
        Luks2Keyslot old = RequireBound(slot);
        await RequireOwnAsync(key.Memory, cancellationToken);
        (Luks2Slot made, byte[] material) = await SealAsync(slot, key.Memory, newPassphrase, cost, cancellationToken);
        Luks2Metadata before = _store.Metadata;
        Luks2Metadata next = new Luks2Edit(before).ReplaceKeyslot(made).Done();
        _store.RequireFits(next);
        await _store.BeginAsync(cancellationToken);
        await WriteMaterialAsync(made, material, cancellationToken);
        await ProveAsync(made, newPassphrase, cancellationToken);
        await CommitAsync(next);
        if (!await _store.IsStoredAsync(cancellationToken))
        {
            throw NotProven($"The header with the new key slot {slot} was written, but does not read back; the old key material is untouched.");
        }

        await ProveOrUndoAsync(slot, before, prove, cancellationToken);
        await LuksEraser.OverwriteAsync(Area, (long)old.Area.Offset, (long)old.Area.Size, cancellationToken);
        return slot;
    }

    public override async ValueTask EraseFreeRoomAsync(CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        await _store.BeginAsync(cancellationToken);
        foreach ((long offset, long length) in Luks2Areas.Gaps(_store.Metadata))
        {
            await LuksEraser.OverwriteOnceAsync(Area, offset, length, cancellationToken);
        }
    }

    public override async ValueTask RemoveSlotAsync(int slot, bool force, CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        Luks2Keyslot old = RequireActive(slot);
        if (!force && IsBound(slot) && _store.Metadata.Keyslots.Count(other => IsBound(other.Number)) == 1)
        {
            throw new RefusedException(ErrorIds.LastKeySlot,
                $"Key slot {slot} is the last one; without it only the volume key opens the data. Force removes it all the same.");
        }

        await _store.BeginAsync(cancellationToken);
        await CommitAsync(new Luks2Edit(_store.Metadata).RemoveKeyslot(slot).Done());
        await LuksEraser.OverwriteAsync(Area, (long)old.Area.Offset, (long)old.Area.Size, cancellationToken);
    }

    public override async ValueTask SetPriorityAsync(int slot, KeySlotPriority priority, CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        RequireActive(slot);
        await ChangeAsync(new Luks2Edit(_store.Metadata).SetPriority(slot, priority).Done(), cancellationToken);
    }

    public override async ValueTask SetLabelAsync(string? label, string? subsystem, CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        Luks2BinaryHeader relabeled = _store.Binary with
        {
            Label = label is null ? _store.Binary.Label : Luks2BinaryHeader.LabelOf(label),
            Subsystem = subsystem is null ? _store.Binary.Subsystem : Luks2BinaryHeader.LabelOf(subsystem),
        };
        await _store.BeginAsync(cancellationToken);
        await CommitAsync(_store.Metadata, binary => binary with { Label = relabeled.Label, Subsystem = relabeled.Subsystem });
    }

    public override async ValueTask<bool> RepairAsync(CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        bool repaired = await _store.BeginAsync(cancellationToken);
        Refresh();
        return repaired;
    }

    private async ValueTask ChangeAsync(Luks2Metadata next, CancellationToken cancellationToken)
    {
        _store.RequireFits(next);
        await _store.BeginAsync(cancellationToken);
        await CommitAsync(next);
    }

    private async ValueTask CommitAsync(Luks2Metadata next, Func<Luks2BinaryHeader, Luks2BinaryHeader>? relabel = null)
    {
        await _store.CommitAsync(next, relabel);
        Refresh();
    }

    private void Refresh()
    {
        _terms = Luks2Terms.Of(_store.Metadata);
        _facts = Luks2Facts.Of(_store.Binary, _store.Metadata, _store.Fault);
    }

    private async ValueTask<(Luks2Slot Slot, byte[] Material)> SealAsync(
        int number, ReadOnlyMemory<byte> key, SecretBuffer passphrase, KdfCost cost, CancellationToken cancellationToken)
    {
        long offset = Luks2Areas.FindGap(_store.Metadata, Luks2Layout.AreaLength(key.Length))
            ?? throw new RefusedException(ErrorIds.KeySlotsFull,
                $"There is no room for {Luks2Layout.AreaLength(key.Length)} bytes of key material; remove a key slot first.");
        return await LuksWork.RunAsync(
            () =>
            {
                var meter = new Pbkdf2Meter(Hash, key.Length, cancellationToken);
                var slot = Luks2Slot.Create(number, Payload.Cipher, key.Length, Hash, cost, offset, meter, cancellationToken);
                return (slot, slot.Seal(key.Span, passphrase.Span, cancellationToken));
            },
            cancellationToken);
    }

    private async ValueTask FillAsync(
        VolumeKey key, SecretBuffer passphrase, int number, KdfCost cost, Action<Luks2Edit>? withToken, CancellationToken cancellationToken)
    {
        await RequireOwnAsync(key.Memory, cancellationToken);
        (Luks2Slot made, byte[] material) = await SealAsync(number, key.Memory, passphrase, cost, cancellationToken);
        Luks2Edit edit = new Luks2Edit(_store.Metadata).AddKeyslot(made, _terms.DigestNumber);
        withToken?.Invoke(edit);
        await FillAsync(made, material, edit.Done(), cancellationToken);
    }

    private async ValueTask FillAsync(Luks2Slot slot, byte[] material, Luks2Metadata next, CancellationToken cancellationToken)
    {
        _store.RequireFits(next);
        await _store.BeginAsync(cancellationToken);
        await WriteMaterialAsync(slot, material, cancellationToken);
        await CommitAsync(next);
    }

    private async ValueTask WriteMaterialAsync(Luks2Slot slot, byte[] material, CancellationToken cancellationToken)
    {
        await Area.WriteAsync(slot.Offset, material, cancellationToken);
        await Area.FlushAsync(cancellationToken);
    }

    private async ValueTask ProveAsync(Luks2Slot slot, SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        using SecretBuffer? proof = await TryOpenAsync(slot, _terms.Digest, passphrase, cancellationToken);
        if (proof is null)
        {
            throw NotProven($"The new key material of slot {slot.Number} was written, but does not open from the medium; the old passphrase still works.");
        }
    }

    // The old key material is still there, so that the header before the change opens with the old passphrase.
    private async ValueTask ProveOrUndoAsync(
        int slot, Luks2Metadata before, Func<int, CancellationToken, ValueTask>? prove, CancellationToken cancellationToken)
    {
        try
        {
            await (prove?.Invoke(slot, cancellationToken) ?? ValueTask.CompletedTask);
        }
        catch (VmCryptException fault)
        {
            await CommitAsync(before);
            throw NotProven($"Key slot {slot} was written, but does not open the image; the old passphrase works again.", fault);
        }
    }

    private static DeviceFaultException NotProven(string message, Exception? fault = null) => new(ErrorIds.KeySlotNotProven, message, fault);

    private int FreeSlot(int? slot)
    {
        if (slot is not { } named)
        {
            return FirstFree(_store.Metadata.Keyslots.Select(keyslot => keyslot.Number), Luks2Layout.MaxObjects)
                ?? throw new RefusedException(ErrorIds.KeySlotsFull, $"All {Luks2Layout.MaxObjects} key slots are in use; remove one first.");
        }

        RequireNumber(named);
        return _store.Metadata.Keyslot(named) is null
            ? named
            : throw new RefusedException(ErrorIds.KeySlotOccupied, $"Key slot {named} is in use; remove it first or name another.");
    }

    private int FreeDigest() => FirstFree(_store.Metadata.Digests.Select(digest => digest.Number), Luks2Layout.MaxDigests)
        ?? throw new RefusedException(ErrorIds.KeySlotsFull, $"All {Luks2Layout.MaxDigests} digests are in use; remove an unbound key slot first.");

    private static int? FirstFree(IEnumerable<int> used, int count) =>
        Enumerable.Range(0, count).Except(used).Select(number => (int?)number).FirstOrDefault();
}
