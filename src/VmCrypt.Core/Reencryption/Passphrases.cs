using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Reencryption;

/// <summary>What several passphrases do with one header.</summary>
internal static class Passphrases
{
    /// <summary>The key that the first of them opens which opens one.</summary>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>: none does.</exception>
    public static async ValueTask<VolumeKey> UnlockAsync(LuksHeader header, IReadOnlyList<SecretBuffer> passphrases, CancellationToken cancellationToken) =>
        (await FindAsync(header, passphrases, cancellationToken)).Key;

    /// <summary>The first of them that opens the header, and the key that it opens, which is the caller's.</summary>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>: none does.</exception>
    public static async ValueTask<(SecretBuffer Passphrase, VolumeKey Key)> FindAsync(
        LuksHeader header, IReadOnlyList<SecretBuffer> passphrases, CancellationToken cancellationToken)
    {
        for (int next = 0; ; next++)
        {
            try
            {
                return (passphrases[next], (await header.UnlockAsync(passphrases[next], slot: null, cancellationToken)).Key);
            }
            catch (WrongKeyException) when (next < passphrases.Count - 1)
            {
            }
        }
    }

    /// <summary>Makes sure that no slot is lost with the header but the one whose passphrase is given.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.KeySlotsWouldBeLost"/>.</exception>
    public static async ValueTask RequireNoOthersAsync(LuksHeader header, int own, SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        foreach (int slot in header.Slots.Where(slot => slot.IsActive && slot.IsBound && slot.Number != own).Select(slot => slot.Number).ToArray())
        {
            try
            {
                (await header.UnlockAsync(passphrase, slot, cancellationToken)).Key.Dispose();
            }
            catch (WrongKeyException other)
            {
                throw new RefusedException(ErrorIds.KeySlotsWouldBeLost,
                    $"Key slot {slot} holds the old volume key and cannot be given the new one without its passphrase; it would be gone.", other);
            }
        }
    }
}
