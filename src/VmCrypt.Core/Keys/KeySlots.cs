using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Keys;

/// <summary>The key slots of an image, wherever its LUKS header lies: in front, inside, over or beside.</summary>
/// <remarks>
/// Only the header is touched, so backing and data files need not be there. Changes take the image's writer lock: an image that a
/// VM has open is refused. In which order a change writes, and what a crash leaves, <see cref="LuksHeader"/> says.
/// </remarks>
public static class KeySlots
{
    /// <summary>What is in the slots; needs no key.</summary>
    public static async ValueTask<IReadOnlyList<KeySlotFacts>> ListAsync(
        DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        ImageDescription image = await ImageInspector.DescribeAsync(location, options with { HeadersOnly = true }, cancellationToken);
        return image.Luks?.Slots ?? throw DiskStack.NoKeySlots(location, image.Encryption);
    }

    /// <summary>The slot that the passphrase opens; null where it opens none.</summary>
    /// <param name="slot">The only slot to try; null tries all.</param>
    public static async ValueTask<int?> FindAsync(
        DiskLocation location, DiskOpenOptions options, SecretBuffer passphrase, int? slot, CancellationToken cancellationToken)
    {
        await using DiskStack disk = await OpenAsync(location, options, writable: false, cancellationToken);
        try
        {
            Unlocked unlocked = await disk.RequireLuks().UnlockAsync(passphrase, slot, cancellationToken);
            unlocked.Key.Dispose();
            return unlocked.Slot;
        }
        catch (WrongKeyException)
        {
            return null;
        }
    }

    /// <summary>Gives the image one more passphrase and returns its slot, which has been proven to open.</summary>
    /// <param name="current">A passphrase that opens the image, or its volume key.</param>
    public static async ValueTask<int> AddAsync(
        DiskLocation location, DiskOpenOptions options, DiskKeys current, SecretBuffer added, int? slot, KdfCost cost, CancellationToken cancellationToken)
    {
        await using DiskStack disk = await OpenAsync(location, options, writable: true, cancellationToken);
        LuksHeader header = disk.RequireLuks();
        using VolumeKey key = (await UnlockAsync(disk, current, cancellationToken)).Key;
        int made = await header.AddSlotAsync(key, added, slot, cost, cancellationToken);
        (await header.UnlockAsync(added, made, cancellationToken)).Key.Dispose();
        return made;
    }

    /// <summary>Replaces the passphrase that <paramref name="current"/> holds and returns the slot of the new one.</summary>
    public static async ValueTask<int> ChangeAsync(
        DiskLocation location, DiskOpenOptions options, DiskKeys current, SecretBuffer replacement, KdfCost cost, CancellationToken cancellationToken)
    {
        await using DiskStack disk = await OpenAsync(location, options, writable: true, cancellationToken);
        Unlocked unlocked = await UnlockAsync(disk, current, cancellationToken);
        using VolumeKey key = unlocked.Key;
        return await disk.RequireLuks().ChangeSlotAsync(key, unlocked.Slot, replacement, cost, cancellationToken);
    }

    /// <summary>Destroys a slot by its number; needs no key.</summary>
    /// <param name="force">Even the last slot.</param>
    public static async ValueTask RemoveAsync(
        DiskLocation location, DiskOpenOptions options, int slot, bool force, CancellationToken cancellationToken)
    {
        await using DiskStack disk = await OpenAsync(location, options, writable: true, cancellationToken);
        await disk.RequireLuks().RemoveSlotAsync(slot, force, cancellationToken);
    }

    /// <summary>Destroys the slot that a passphrase opens, and returns its number.</summary>
    /// <param name="force">Even the last slot.</param>
    public static async ValueTask<int> RemoveAsync(
        DiskLocation location, DiskOpenOptions options, SecretBuffer passphrase, bool force, CancellationToken cancellationToken)
    {
        await using DiskStack disk = await OpenAsync(location, options, writable: true, cancellationToken);
        LuksHeader header = disk.RequireLuks();
        Unlocked unlocked = await header.UnlockAsync(passphrase, null, cancellationToken);
        unlocked.Key.Dispose();
        await header.RemoveSlotAsync(unlocked.Slot, force, cancellationToken);
        return unlocked.Slot;
    }

    private static ValueTask<DiskStack> OpenAsync(
        DiskLocation location, DiskOpenOptions options, bool writable, CancellationToken cancellationToken) =>
        DiskStack.OpenAsync(location, options with { Writable = writable, HeadersOnly = true }, cancellationToken);

    internal static async ValueTask<Unlocked> UnlockAsync(DiskStack disk, DiskKeys keys, CancellationToken cancellationToken)
    {
        LuksHeader header = disk.RequireLuks();
        if (keys.VolumeKey is { } volumeKey)
        {
            return new Unlocked(await header.UnlockWithVolumeKeyAsync(volumeKey, cancellationToken), keys.Slot ?? 0);
        }

        SecretBuffer passphrase = keys.For(disk.Location)
            ?? throw new InvalidInputException(ErrorIds.KeyRequired, $"To change the key slots of {disk.Location}, give a passphrase or key file that opens it.");
        return await header.UnlockAsync(passphrase, keys.Slot, cancellationToken);
    }
}
