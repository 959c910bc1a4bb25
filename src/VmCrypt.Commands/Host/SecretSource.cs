using System.Management.Automation;
using System.Runtime.InteropServices;
using System.Security;
using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.Host;

/// <summary>One secret as the user gave it: at most one of a passphrase, a key file, a credential, a secret of a vault.</summary>
internal sealed class SecretSource
{
    private static readonly UTF8Encoding s_strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public SecureString? Passphrase { get; init; }

    public KeyFile? KeyFile { get; init; }

    public PSCredential? Credential { get; init; }

    /// <summary>Asks SecretManagement; null where nobody is to ask it.</summary>
    public Func<SecretBuffer>? Vault { get; init; }

    /// <summary>The secret's bytes, owned by the caller; null where the user gave none.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.SecretAmbiguous"/>, <see cref="ErrorIds.KeyFileInvalid"/>.</exception>
    public SecretBuffer? Read()
    {
        object?[] given = [Passphrase, KeyFile, Credential, Vault];
        if (given.Count(source => source is not null) > 1)
        {
            throw Ambiguous();
        }

        return KeyFile?.Read() ?? Vault?.Invoke() ?? ((Passphrase ?? Credential?.Password) is { } text ? Utf8Of(text) : null);
    }

    public static InvalidInputException Ambiguous() =>
        new(ErrorIds.SecretAmbiguous, "Give one of a passphrase, a key file, a credential, a vault's secret, a volume key, a token and a stored key, not several.");

    /// <summary>The text as UTF-8, without a managed string on the way.</summary>
    public static SecretBuffer Utf8Of(SecureString text)
    {
        nint characters = Marshal.SecureStringToGlobalAllocUnicode(text);
        try
        {
            ReadOnlySpan<char> span = AsSpan(characters, text.Length);
            var secret = new SecretBuffer(s_strictUtf8.GetByteCount(span));
            s_strictUtf8.GetBytes(span, secret.Span);
            return secret;
        }
        catch (EncoderFallbackException)
        {
            throw new InvalidInputException(ErrorIds.SecretSourceInvalid, "The passphrase holds half a surrogate pair and so has no UTF-8 form.");
        }
        finally
        {
            Marshal.ZeroFreeGlobalAllocUnicode(characters);
        }
    }

    private static unsafe ReadOnlySpan<char> AsSpan(nint characters, int length) => new((void*)characters, length);
}
