using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks1;

/// <summary>A valid LUKS1 header and the device that stores it.</summary>
internal sealed partial class Luks1BoundHeader : LuksHeader
{
    private readonly Luks1Terms _terms;
    private readonly Luks1Writer _writer;
    private readonly LuksPlacement _placement;
    private Luks1Header _header;
    private LuksFacts _facts;

    private Luks1BoundHeader(IBlockDevice area, Luks1Header header, Luks1Terms terms, LuksPlacement placement)
        : base(area)
    {
        _placement = placement;
        _header = header;
        _terms = terms;
        _writer = new Luks1Writer(area);
        _facts = header.Describe();
    }

    public override LuksVersion Version => LuksVersion.Luks1;

    public override LuksFacts Facts => _facts;

    public override LuksPayload Payload => _terms.Payload;

    public override HashKind Hash => _terms.Hash;

    public override long HeaderLength => Facts.Slots.Max(slot => slot.AreaOffset + slot.AreaLength);

    /// <summary>Binds a header that holds for <paramref name="area"/>, or says what is wrong with it.</summary>
    public static Luks1BoundHeader Bind(IBlockDevice area, Luks1Header header, LuksPlacement placement)
    {
        Luks1Validator.Validate(header, area.Length, placement);
        return new Luks1BoundHeader(area, header, Luks1Terms.Of(header), placement);
    }

    private protected override async ValueTask<Unlocked> UnlockExactlyAsync(SecretBuffer passphrase, int? slot, CancellationToken cancellationToken)
    {
        foreach (int candidate in Candidates(slot))
        {
            if (await TryOpenAsync(_header.Slots[candidate], passphrase, cancellationToken) is { } key)
            {
                return new Unlocked(key, candidate);
            }
        }

        throw new WrongKeyException(ErrorIds.WrongPassphrase,
            slot is { } named ? $"The passphrase does not open key slot {named}." : "The passphrase opens no key slot.");
    }

    public override async ValueTask<VolumeKey> UnlockWithVolumeKeyAsync(SecretBuffer volumeKey, CancellationToken cancellationToken)
    {
        await RequireOwnAsync(volumeKey.Memory, cancellationToken);
        return new VolumeKey(volumeKey.Copy(), Payload);
    }

    public override async ValueTask<int> AddSlotAsync(
        VolumeKey key, SecretBuffer passphrase, int? slot, KdfCost cost, CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        LuksPassphrase.RequireUsable(passphrase);
        int number = slot is { } named ? RequireFree(named) : FirstFree(string.Empty);
        await RequireOwnAsync(key.Memory, cancellationToken);
        await FillAsync(number, key, passphrase, cost, cancellationToken);
        return number;
    }

    public override async ValueTask<int> ChangeSlotAsync(
        VolumeKey key, int slot, SecretBuffer newPassphrase, KdfCost cost, Func<int, CancellationToken, ValueTask>? prove, CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        LuksPassphrase.RequireUsable(newPassphrase);
        RequireActive(slot);
        int number = FirstFree("; LUKS1 has no room to replace one of them without a moment at which neither passphrase would work");
        await RequireOwnAsync(key.Memory, cancellationToken);
        await FillAsync(number, key, newPassphrase, cost, cancellationToken);
        await ProveAsync(number, newPassphrase, prove, cancellationToken);
        await EmptyAsync(slot, cancellationToken);
        return number;
    }

    public override async ValueTask RemoveSlotAsync(int slot, bool force, CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        RequireNumber(slot);
        if (!force)
        {
            RequireActive(slot);
            if (_header.Slots.Count(entry => entry.IsActive) == 1)
            {
                throw new RefusedException(ErrorIds.LastKeySlot,
                    $"Key slot {slot} is the last one; without it only the volume key opens the data. Force removes it all the same.");
            }
        }

        await EmptyAsync(slot, cancellationToken);
    }

    public override async ValueTask EraseFreeRoomAsync(CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        await _writer.RequireUnchangedAsync(_header, cancellationToken);
        foreach (Luks1Slot free in _header.Slots.Where(slot => !slot.IsActive))
        {
            await LuksEraser.OverwriteOnceAsync(Area, free.MaterialOffset, KeyMaterial.Length(Payload.KeySize), cancellationToken);
        }
    }

    private async ValueTask<VolumeKey?> TryOpenAsync(Luks1Slot slot, SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        byte[] material = new byte[KeyMaterial.Length(Payload.KeySize)];
        await Area.ReadAsync(slot.MaterialOffset, material, cancellationToken);
        using SecretBuffer? key = await LuksWork.RunAsync(
            () => Luks1Keyslots.Open(_header, _terms, slot, material, passphrase.Span), cancellationToken);
        return key is null ? null : new VolumeKey(key, Payload);
    }

    private async ValueTask FillAsync(
        int number, VolumeKey key, SecretBuffer passphrase, KdfCost cost, CancellationToken cancellationToken)
    {
        _ = cost.KindIn(Version);
        Luks1Slot free = _header.Slots[number];
        (Luks1Slot slot, byte[] material) = await LuksWork.RunAsync(
            () =>
            {
                Luks1Slot filled = free.Filled((uint)new Pbkdf2Meter(Hash, Payload.KeySize, cancellationToken).Slot(cost));
                return (filled, Luks1Keyslots.Seal(_terms, filled, key.Span, passphrase.Span));
            },
            cancellationToken);
        await _writer.RequireUnchangedAsync(_header, cancellationToken);
        await _writer.FillAsync(number, slot, material, cancellationToken);
        Keep(number, slot);
    }

    private async ValueTask EmptyAsync(int number, CancellationToken cancellationToken)
    {
        await _writer.RequireUnchangedAsync(_header, cancellationToken);
        Luks1Slot emptied = _header.Slots[number].Emptied();
        await _writer.EmptyAsync(number, emptied);
        Keep(number, emptied);
        await LuksEraser.OverwriteAsync(Area, emptied.MaterialOffset, KeyMaterial.Length(Payload.KeySize), cancellationToken);
    }

    private void Keep(int number, Luks1Slot slot)
    {
        _header = _header.With(number, slot);
        _facts = _header.Describe();
    }

    private async ValueTask ProveAsync(
        int number, SecretBuffer passphrase, Func<int, CancellationToken, ValueTask>? prove, CancellationToken cancellationToken)
    {
        try
        {
            Luks1Header stored = await Luks1Header.ReadAsync(Area, cancellationToken);
            using VolumeKey proof = await TryOpenAsync(stored.Slots[number], passphrase, cancellationToken) ?? throw NotProven(number);
            await (prove?.Invoke(number, cancellationToken) ?? ValueTask.CompletedTask);
        }
        catch (VmCryptException fault)
        {
            throw await UndoneAsync(number, fault, cancellationToken);
        }
    }

    // Destroys the slot that proves nothing.
    private async ValueTask<DeviceFaultException> UndoneAsync(int number, VmCryptException fault, CancellationToken cancellationToken)
    {
        try
        {
            await EmptyAsync(number, cancellationToken);
        }
        catch (DeviceFaultException second)
        {
            // A medium that has not kept the key material keeps no noise over it either.
            return NotProven(number, second);
        }

        return NotProven(number, fault);
    }

    private static DeviceFaultException NotProven(int number, Exception? fault = null) => new(ErrorIds.KeySlotNotProven,
        $"Key slot {number} was written, but does not open from the medium; the old passphrase still works.", fault);

    private async ValueTask RequireOwnAsync(ReadOnlyMemory<byte> volumeKey, CancellationToken cancellationToken)
    {
        bool own = volumeKey.Length == Payload.KeySize
            && await LuksWork.RunAsync(() => Luks1Keyslots.Proves(_header, _terms, volumeKey.Span), cancellationToken);
        if (!own)
        {
            throw new WrongKeyException(ErrorIds.WrongVolumeKey, "The volume key is not the one of this header.");
        }
    }

    private List<int> Candidates(int? slot)
    {
        if (slot is { } named)
        {
            RequireActive(named);
            return [named];
        }

        List<int> active = [.. Enumerable.Range(0, Luks1Layout.SlotCount).Where(number => _header.Slots[number].IsActive)];
        return active.Count > 0
            ? active
            : throw new MissingException(ErrorIds.NoActiveKeySlot, "The header has no active key slot; only the volume key opens the data.");
    }

    private int FirstFree(string reason)
    {
        int free = Enumerable.Range(0, Luks1Layout.SlotCount).FirstOrDefault(number => !_header.Slots[number].IsActive, -1);
        return free >= 0
            ? free
            : throw new RefusedException(ErrorIds.KeySlotsFull, $"All {Luks1Layout.SlotCount} key slots are in use{reason}. Remove one first, or convert the header to LUKS2, which has 32.");
    }

    private int RequireFree(int slot)
    {
        RequireNumber(slot);
        return _header.Slots[slot].IsActive
            ? throw new RefusedException(ErrorIds.KeySlotOccupied, $"Key slot {slot} is in use; remove it first or name another.")
            : slot;
    }

    private void RequireActive(int slot)
    {
        RequireNumber(slot);
        if (!_header.Slots[slot].IsActive)
        {
            throw new MissingException(ErrorIds.KeySlotInactive, $"Key slot {slot} holds no key.");
        }
    }

    private static void RequireNumber(int slot)
    {
        if (slot is < 0 or >= Luks1Layout.SlotCount)
        {
            throw new InvalidInputException(ErrorIds.KeySlotInvalid,
                $"The key slot is {slot}, but must be 0 to {Luks1Layout.SlotCount - 1}.");
        }
    }
}
