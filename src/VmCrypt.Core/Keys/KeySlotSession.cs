using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Keys;

/// <summary>An image that is open for the sake of its LUKS header.</summary>
internal sealed class KeySlotSession : IAsyncDisposable
{
    private readonly DiskStack _disk;

    private KeySlotSession(DiskStack disk, LuksHeader header)
    {
        _disk = disk;
        Header = header;
    }

    public LuksHeader Header { get; }

    public static async ValueTask<KeySlotSession> OpenAsync(
        DiskLocation location, DiskOpenOptions options, bool writable, CancellationToken cancellationToken)
    {
        DiskStack disk = await DiskStack.OpenAsync(location, options with { Writable = writable, HeadersOnly = true }, cancellationToken);
        try
        {
            return new KeySlotSession(disk, disk.RequireLuks());
        }
        catch
        {
            await disk.DisposeAsync();
            throw;
        }
    }

    /// <summary>The slot as the header has it; null where LUKS2 has none of that number.</summary>
    public KeySlotFacts? Facts(int slot) => Header.Slots.FirstOrDefault(facts => facts.Number == slot);

    public bool IsActive(int slot) => Facts(slot) is { IsActive: true };

    public bool IsUnbound(int slot) => Facts(slot) is { IsActive: true, IsBound: false };

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeyRequired"/>.</exception>
    public SecretBuffer Passphrase(DiskKeys keys) => keys.For(_disk.Location)
        ?? throw new InvalidInputException(ErrorIds.KeyRequired, $"For the key slots of {_disk.Location}, give a passphrase or key file that opens one.");

    /// <summary>The volume key, and the slot that gave it; null where it was given itself.</summary>
    public async ValueTask<(VolumeKey Key, int? Slot)> UnlockAsync(DiskKeys keys, CancellationToken cancellationToken)
    {
        if (keys.VolumeKey is { } volumeKey)
        {
            return (await Header.UnlockWithVolumeKeyAsync(volumeKey, cancellationToken), null);
        }

        Unlocked unlocked = await Header.UnlockAsync(Passphrase(keys), keys.Slot, cancellationToken);
        return (unlocked.Key, unlocked.Slot);
    }

    /// <summary>The key that the keys open: the volume key, or of a slot that is named and holds a key of its own, that. The caller disposes it.</summary>
    public async ValueTask<StoredKey> ReadAsync(DiskKeys keys, CancellationToken cancellationToken)
    {
        if (keys is { VolumeKey: null, Slot: { } named } && IsUnbound(named))
        {
            return new StoredKey(await Header.OpenUnboundAsync(Passphrase(keys), named, cancellationToken), named, OpensData: false);
        }

        (VolumeKey key, int? slot) = await UnlockAsync(keys, cancellationToken);
        using (key)
        {
            return new StoredKey(key.Export(), slot, OpensData: true);
        }
    }

    /// <summary>The first slot that the passphrase opens, those to be ignored included; null for none. Costs a key derivation for each.</summary>
    public async ValueTask<int?> FindAsync(SecretBuffer passphrase, int? except, CancellationToken cancellationToken)
    {
        foreach (KeySlotFacts slot in Header.Slots.Where(slot => slot.IsActive && slot.IsBound && slot.Number != except).ToArray())
        {
            if (await OpensAsync(passphrase, slot.Number, cancellationToken))
            {
                return slot.Number;
            }
        }

        return null;
    }

    /// <summary>Opens the image through all of its layers by one slot.</summary>
    /// <exception cref="WrongKeyException">The slot does not open.</exception>
    public async ValueTask ProveAsync(SecretBuffer passphrase, int slot, CancellationToken cancellationToken)
    {
        using var keys = new DiskKeys(passphrase.Copy()) { Slot = slot };
        await _disk.ProveAsync(keys, cancellationToken);
    }

    /// <summary>Destroys a slot that was just made and does not prove right.</summary>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.KeySlotNotProven"/>.</exception>
    public async ValueTask ProveOrRemoveAsync(int made, Func<ValueTask> prove, CancellationToken cancellationToken)
    {
        try
        {
            await prove();
        }
        catch (VmCryptException fault)
        {
            await Header.RemoveSlotAsync(made, force: true, cancellationToken);
            throw new DeviceFaultException(ErrorIds.KeySlotNotProven, $"Key slot {made} was written, but does not open the image, and was destroyed again.", fault);
        }
    }

    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LuksVersionUnsupported"/>: before anything is written.</exception>
    public void RequirePriority(KeySlotPriority? priority)
    {
        if (Header.Version == LuksVersion.Luks1 && priority is not (null or KeySlotPriority.Normal))
        {
            throw LuksHeader.Luks2Only("priorities");
        }
    }

    public async ValueTask SetPriorityAsync(int slot, KeySlotPriority? priority, CancellationToken cancellationToken)
    {
        if (priority is { } wanted && wanted != Facts(slot)!.Priority)
        {
            await Header.SetPriorityAsync(slot, wanted, cancellationToken);
        }
    }

    /// <summary>Refuses keys that open nothing once <paramref name="slot"/> is gone.</summary>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>, <see cref="ErrorIds.WrongVolumeKey"/>.</exception>
    public async ValueTask RequireWithoutAsync(DiskKeys keys, int slot, CancellationToken cancellationToken)
    {
        if (keys.VolumeKey is not null)
        {
            (await UnlockAsync(keys, cancellationToken)).Key.Dispose();
        }
        else if (await FindAsync(Passphrase(keys), except: slot, cancellationToken) is null)
        {
            throw new WrongKeyException(ErrorIds.WrongPassphrase,
                $"The passphrase opens no key slot but {slot}, if that, so it does not prove that the image can still be opened; nothing was changed.");
        }
    }

    public ValueTask DisposeAsync() => _disk.DisposeAsync();

    private async ValueTask<bool> OpensAsync(SecretBuffer passphrase, int slot, CancellationToken cancellationToken)
    {
        try
        {
            (await Header.UnlockAsync(passphrase, slot, cancellationToken)).Key.Dispose();
            return true;
        }
        catch (VmCryptException reason) when (reason is WrongKeyException or UnsupportedFeatureException or InvalidImageException)
        {
            // A slot that cannot be tried says nothing against those that can.
            return false;
        }
    }
}

/// <summary>A key that was read.</summary>
/// <param name="Slot">The slot that gave it; null where it was given itself.</param>
/// <param name="OpensData">It is the volume key.</param>
internal readonly record struct StoredKey(SecretBuffer Key, int? Slot, bool OpensData);
