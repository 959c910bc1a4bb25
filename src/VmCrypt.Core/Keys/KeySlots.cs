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

    /// <summary>Whether the keys open the image; of a slot that is named and holds a key of its own, whether they open that.</summary>
    /// <remarks>An image that a VM has open is read in spite of its locks: nobody but its QEMU changes the header.</remarks>
    public static async ValueTask<KeyTrial> TryAsync(
        DiskLocation location, DiskOpenOptions options, DiskKeys keys, CancellationToken cancellationToken)
    {
        await using KeySlotSession session = await OpenSharedAsync(location, options, cancellationToken);
        try
        {
            StoredKey read = await session.ReadAsync(keys, cancellationToken);
            read.Key.Dispose();
            return new KeyTrial(true, read.Slot);
        }
        catch (WrongKeyException)
        {
            return new KeyTrial(false, null);
        }
    }

    /// <summary>Gives the image one more passphrase, which has been proven to open it through all of its layers.</summary>
    /// <param name="current">What opens the image now.</param>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.KeySlotNotProven"/>: the new slot does not open, and was destroyed again.</exception>
    public static async ValueTask<KeySlotChange> AddAsync(
        DiskLocation location, DiskOpenOptions options, DiskKeys current, NewKeySlot added, CancellationToken cancellationToken)
    {
        await using KeySlotSession session = await KeySlotSession.OpenAsync(location, options, writable: true, cancellationToken);
        session.RequirePriority(added.Priority);
        (VolumeKey key, _) = await session.UnlockAsync(current, cancellationToken);
        using (key)
        {
            int? same = await session.FindAsync(added.Passphrase, except: null, cancellationToken);
            int made = await session.Header.AddSlotAsync(key, added.Passphrase, added.Slot, added.Cost, cancellationToken);
            await session.ProveOrRemoveAsync(made, () => session.ProveAsync(added.Passphrase, made, cancellationToken), cancellationToken);
            await session.SetPriorityAsync(made, added.Priority, cancellationToken);
            return new KeySlotChange(made) { SamePassphrase = same };
        }
    }

    /// <summary>LUKS2: stores a key of its own, which does not open the data, under a passphrase; needs no key of the image.</summary>
    /// <remarks><see cref="VolumeKeyExport"/> reads it back.</remarks>
    /// <param name="key">1 to 4096 bytes, borrowed.</param>
    public static async ValueTask<KeySlotChange> AddUnboundAsync(
        DiskLocation location, DiskOpenOptions options, SecretBuffer key, NewKeySlot added, CancellationToken cancellationToken)
    {
        await using KeySlotSession session = await KeySlotSession.OpenAsync(location, options, writable: true, cancellationToken);
        int made = await session.Header.AddUnboundSlotAsync(key, added.Passphrase, added.Slot, added.Cost, cancellationToken);
        await session.ProveOrRemoveAsync(made, ProveAsync, cancellationToken);
        await session.SetPriorityAsync(made, added.Priority, cancellationToken);
        return new KeySlotChange(made);

        async ValueTask ProveAsync()
        {
            using SecretBuffer stored = await session.Header.OpenUnboundAsync(added.Passphrase, made, cancellationToken);
        }
    }

    /// <summary>LUKS2: says when a slot is tried; needs no key.</summary>
    public static async ValueTask SetPriorityAsync(
        DiskLocation location, DiskOpenOptions options, int slot, KeySlotPriority priority, CancellationToken cancellationToken)
    {
        await using KeySlotSession session = await KeySlotSession.OpenAsync(location, options, writable: true, cancellationToken);
        await session.Header.SetPriorityAsync(slot, priority, cancellationToken);
    }

    /// <summary>Destroys a slot and returns its number: the one that <paramref name="slot"/> names, else the one that <paramref name="keys"/> open.</summary>
    /// <param name="keys">With a slot, what must open the image without it; null destroys the slot without a proof that another way in is left.</param>
    /// <param name="force">Even the last slot.</param>
    /// <exception cref="WrongKeyException">The keys do not open the image, or not without the slot.</exception>
    public static async ValueTask<int> RemoveAsync(
        DiskLocation location, DiskOpenOptions options, int? slot, DiskKeys? keys, bool force, CancellationToken cancellationToken)
    {
        await using KeySlotSession session = await KeySlotSession.OpenAsync(location, options, writable: true, cancellationToken);
        if (slot is { } named && keys is not null)
        {
            await session.RequireWithoutAsync(keys, named, cancellationToken);
        }

        int doomed = slot ?? await SlotOfAsync(session, keys!, cancellationToken);
        await session.Header.RemoveSlotAsync(doomed, force, cancellationToken);
        return doomed;
    }

    private static async ValueTask<KeySlotSession> OpenSharedAsync(DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return await KeySlotSession.OpenAsync(location, options, writable: false, cancellationToken);
        }
        catch (DeviceBusyException busy) when (busy.ErrorId == ErrorIds.ImageInUse && !options.ForceShare)
        {
            return await KeySlotSession.OpenAsync(location, options with { ForceShare = true }, writable: false, cancellationToken);
        }
    }

    private static async ValueTask<int> SlotOfAsync(KeySlotSession session, DiskKeys keys, CancellationToken cancellationToken)
    {
        (VolumeKey key, int? slot) = await session.UnlockAsync(keys, cancellationToken);
        key.Dispose();
        return slot ?? throw new InvalidInputException(ErrorIds.KeySlotInvalid, "The volume key opens no key slot; name the slot by its number.");
    }
}

/// <summary>What came of trying keys.</summary>
/// <param name="Slot">The slot that they open; null where they open none, or are the volume key itself.</param>
public sealed record KeyTrial(bool Opens, int? Slot);

/// <summary>A key slot that is to be made.</summary>
/// <param name="Passphrase">Borrowed.</param>
/// <param name="Slot">Null for the first free one.</param>
/// <param name="Priority">Null for what a slot has by default, or had before.</param>
public sealed record NewKeySlot(SecretBuffer Passphrase, KdfCost Cost, int? Slot = null, KeySlotPriority? Priority = null);

/// <summary>A change that is complete.</summary>
/// <param name="Slot">The slot that the new passphrase opens.</param>
public sealed record KeySlotChange(int Slot)
{
    /// <summary>Another slot that the new passphrase opens as well; null for none.</summary>
    public int? SamePassphrase { get; init; }

    /// <summary>The new passphrase worked already: an earlier change was only brought to its end.</summary>
    public bool WasBegun { get; init; }
}
