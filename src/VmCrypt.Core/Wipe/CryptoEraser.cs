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
        int active;
        int overwritten = 0;
        await using (DiskStack disk = await DiskStack.OpenAsync(location, options, cancellationToken))
        {
            LuksHeader header = disk.RequireLuks();
            KeySlotFacts[] slots = [.. header.Slots];
            active = slots.Count(slot => slot.IsActive);
            foreach (KeySlotFacts slot in slots)
            {
                // Once begun it is finished: a half-erased header protects nobody and serves nobody.
                await header.RemoveSlotAsync(slot.Number, force: true, CancellationToken.None);
                overwritten++;
            }
        }

        await using DiskStack again = await DiskStack.OpenAsync(location, options, CancellationToken.None);
        LuksHeader erased = again.RequireLuks();
        return new KeyErasure(
            erased.Version.ToString(), erased.Uuid, erased.Facts.Cipher, active, overwritten,
            erased.Slots.All(slot => !slot.IsActive), started, clock.GetUtcNow());
    }
}
