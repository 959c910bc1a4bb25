using System.Security;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.Host;

/// <summary>Asks for secrets, and says what is wrong with new ones.</summary>
internal static class SecretPrompts
{
    /// <summary>A secret that is to be set: given, or asked for twice; owned by the caller. Warns of those who cannot use it.</summary>
    /// <param name="fromFile">It was given as a key file.</param>
    /// <param name="forQemu">The disk is one that QEMU can open.</param>
    public static SecretBuffer RequireNew(ICommandHost shell, SecretBuffer? given, string prompt, bool fromFile, bool forQemu)
    {
        SecretBuffer secret = given ?? AskTwice(shell, prompt);
        if (secret.Length == 0)
        {
            throw new InvalidInputException(ErrorIds.SecretEmpty, "An empty passphrase protects nothing; nothing was changed.");
        }

        WarnOfTraps(shell, secret, fromFile, forQemu);
        return secret;
    }

    /// <summary>Names those who cannot open a disk with the secret.</summary>
    public static void WarnOfTraps(ICommandHost shell, SecretBuffer secret, bool fromFile, bool forQemu)
    {
        foreach (string trap in PassphraseTraps.Of(secret, fromFile, forQemu))
        {
            shell.WriteWarning(trap);
        }
    }

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeyRequired"/>.</exception>
    public static SecretBuffer Ask(ICommandHost shell, string prompt)
    {
        using SecureString text = shell.AskSecret(prompt)
            ?? throw new InvalidInputException(ErrorIds.KeyRequired, $"{prompt}: none was given, and there is no terminal to ask on.");
        return SecretSource.Utf8Of(text);
    }

    private static SecretBuffer AskTwice(ICommandHost shell, string prompt)
    {
        SecretBuffer first = Ask(shell, prompt);
        using SecretBuffer second = Ask(shell, $"{prompt}, once more");
        if (!first.FixedTimeEquals(second.Span))
        {
            first.Dispose();
            throw new InvalidInputException(ErrorIds.SecretMismatch, "The two passphrases are not the same; nothing was changed.");
        }

        return first;
    }
}
