using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Wipe;

/// <summary>Destroys every key slot of an encrypted image: without them its bytes are noise.</summary>
internal static class CryptoEraser
{
    public static readonly WipeFinding KeyCopies = new(FindingKind.KeyCopies, FindingWeight.Note,
        "Not covered: header backups, detached headers and volume keys that were copied or escrowed earlier still open the data.");

    /// <summary>Overwrites all slots, those not in use as well, and reads the header back.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.NotEncrypted"/>.</exception>
    public static async Task<KeyErasure> RunAsync(string path, string? headerPath, TimeProvider clock, CancellationToken cancellationToken)
    {
        DateTimeOffset started = clock.GetUtcNow();
        DiskLocation location = DiskLocation.Parse(path);
        var options = new DiskOpenOptions { Writable = true, HeadersOnly = true, HeaderPath = headerPath };
        LuksErasure erasure;
        await using (DiskStack disk = await DiskStack.OpenAsync(location, options, cancellationToken))
        {
            erasure = await disk.RequireLuks().EraseAsync(cancellationToken);
        }

        await using DiskStack again = await DiskStack.OpenAsync(location, options, CancellationToken.None);
        LuksHeader erased = again.RequireLuks();
        return new KeyErasure(
            erased.Version.ToString(), erased.Uuid, erased.Facts.Cipher, erasure.SlotsDestroyed, erasure.SlotsOverwritten,
            erased.Slots.All(slot => !slot.IsActive), started, clock.GetUtcNow());
    }
}
