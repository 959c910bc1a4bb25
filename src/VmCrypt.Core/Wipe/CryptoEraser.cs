using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Wipe;

/// <summary>Destroys every key slot of an encrypted image: without them its bytes are noise.</summary>
internal static class CryptoEraser
{
    /// <summary>Overwrites all slots, those not in use as well, and reads the header back.</summary>
    /// <returns>What was destroyed, and what may open the data all the same.</returns>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.NotEncrypted"/>.</exception>
    public static async Task<(KeyErasure Keys, KeyCopy[] Copies)> RunAsync(string path, string? headerPath, TimeProvider clock, CancellationToken cancellationToken)
    {
        DateTimeOffset started = clock.GetUtcNow();
        DiskLocation location = DiskLocation.Parse(path);
        var options = new DiskOpenOptions { Writable = true, HeadersOnly = true, HeaderPath = headerPath };
        LuksErasure erasure;
        KeyCopy[] copies;
        await using (DiskStack disk = await DiskStack.OpenAsync(location, options, cancellationToken))
        {
            copies = await KeyCopies.FindAsync(disk, options, cancellationToken);
            erasure = await disk.RequireLuks().EraseAsync(cancellationToken);
        }

        await using DiskStack again = await DiskStack.OpenAsync(location, options, CancellationToken.None);
        LuksHeader erased = again.RequireLuks();
        var keys = new KeyErasure(
            erased.Version.ToString(), erased.Uuid, erased.Facts.Cipher, erasure.SlotsDestroyed, erasure.SlotsOverwritten,
            erased.Slots.All(slot => !slot.IsActive), started, clock.GetUtcNow());
        return (keys, copies);
    }

    /// <summary>What a result has to say of a copy.</summary>
    /// <param name="overwritten">Passes follow, so that a key would open nothing.</param>
    public static WipeFinding Finding(KeyCopy copy, bool overwritten) => new(
        FindingKind.KeyCopies,
        copy.Kind is KeyCopyKind.Header or KeyCopyKind.Snapshot && !overwritten ? FindingWeight.Exception : FindingWeight.Note,
        overwritten ? $"The data is overwritten, but its keys may be left: {copy.Message}" : copy.Message);
}
