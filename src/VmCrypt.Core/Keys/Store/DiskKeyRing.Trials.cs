using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Keys.Store;

/// <remarks>Trials: really unlocking, without opening the disk for use and without counting it as one.</remarks>
public sealed partial class DiskKeyRing
{
    /// <summary>Tries the stored secrets on the image, also while a VM uses it; changes nothing.</summary>
    public async Task<DiskKeyTrial> TryAsync(DiskKeyEntry entry, CancellationToken cancellationToken)
    {
        try
        {
            return await TryOnImageAsync(entry, cancellationToken);
        }
        catch (VmCryptException reason)
        {
            DiskKeyState state = reason.ErrorId switch
            {
                ErrorIds.FileNotFound => DiskKeyState.ImageMissing,
                ErrorIds.DiskKeyForged => DiskKeyState.Forged,
                _ => DiskKeyState.Unreadable,
            };
            return new DiskKeyTrial(entry, state, Slot: null, reason.Message);
        }
    }

    private async Task<DiskKeyTrial> TryOnImageAsync(DiskKeyEntry entry, CancellationToken cancellationToken)
    {
        var location = DiskLocation.Parse(entry.Disk.Path);
        DiskOpenOptions options = OptionsOf(entry) with { ForceShare = true };
        ImageDescription image = await ImageInspector.DescribeAsync(location, options, cancellationToken);
        if (entry.Disk.LuksUuid is { } expected && !(image.Luks?.Uuid is { } found && IsSame(expected, found)))
        {
            return new DiskKeyTrial(entry, DiskKeyState.OtherHeader, Slot: null,
                $"The LUKS header of {location} is {image.Luks?.Uuid ?? "not there"}; the key was stored for {expected}.");
        }

        int? current = await SlotOfAsync(entry, entry.Current, location, options, cancellationToken);
        if (entry.Pending is not { } pending)
        {
            return current is { } slot
                ? new DiskKeyTrial(entry, DiskKeyState.Good, slot, Reason: null)
                : new DiskKeyTrial(entry, DiskKeyState.Stale, Slot: null, $"The stored secret opens no key slot of {location}: it was changed without the store.");
        }

        return (current, await SlotOfAsync(entry, pending, location, options, cancellationToken)) switch
        {
            (_, { } made) => new DiskKeyTrial(entry, DiskKeyState.RotationNotConfirmed, made, $"The new secret of {location} works, but was not confirmed."),
            ({ } old, null) => new DiskKeyTrial(entry, DiskKeyState.RotationNotMade, old, $"The old secret of {location} works; the new one was stored, but opens no key slot."),
            _ => new DiskKeyTrial(entry, DiskKeyState.Stale, Slot: null, $"Neither the stored secret of {location} nor the one that was to replace it opens a key slot."),
        };
    }

    private async Task<int?> SlotOfAsync(DiskKeyEntry entry, WrappedSecret wrapped, DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        using var keys = new DiskKeys(_key.Unwrap(entry, wrapped));
        return (await KeySlots.TryAsync(location, options, keys, cancellationToken)).Slot;
    }

    private static DiskOpenOptions OptionsOf(DiskKeyEntry entry) => new() { HeaderPath = entry.Disk.HeaderPath };
}
