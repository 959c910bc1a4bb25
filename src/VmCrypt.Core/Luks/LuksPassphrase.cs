using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks;

/// <summary>What may become a passphrase. Unlocking tries whatever it is given.</summary>
public static class LuksPassphrase
{
    /// <summary>The most that cryptsetup reads of a key file.</summary>
    public const int MaxLength = 8192 * 1024;

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.PassphraseInvalid"/>.</exception>
    internal static void RequireUsable(SecretBuffer passphrase)
    {
        if (passphrase.Length is < 1 or > MaxLength)
        {
            throw new InvalidInputException(ErrorIds.PassphraseInvalid,
                $"The new passphrase has {passphrase.Length} bytes, but must have 1 to {MaxLength}.");
        }
    }
}
