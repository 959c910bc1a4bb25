using System.Text;
using System.Text.Json.Nodes;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Keys.Tokens;

/// <summary>Gets the passphrase of a token from whatever keeps it.</summary>
internal static class TokenHelper
{
    private const string Clevis = "clevis";

    /// <summary>Whether there is a way to ask for tokens of this type at all.</summary>
    public static bool Knows(string type) => type is KeyTokenTypes.Clevis or KeyTokenTypes.Keyring;

    /// <summary>The passphrase of the token's slots, owned by the caller.</summary>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.KeyTokenUnsupported"/>.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.KeyTokenInvalid"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeyTokenHelperMissing"/>.</exception>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.KeyTokenHelperFailed"/>, <see cref="ErrorIds.KeyTokenHelperTimeout"/>.</exception>
    public static async ValueTask<SecretBuffer> AskAsync(KeyTokenFacts token, TimeSpan patience, CancellationToken cancellationToken)
    {
        JsonObject members = TokenText.MembersOf(token);
        return token.Type switch
        {
            KeyTokenTypes.Clevis => await AskClevisAsync(ClevisJwe.Read(members["jwe"]) ?? throw Invalid(token, "no JWE of clevis"), patience, cancellationToken),
            KeyTokenTypes.Keyring => KernelKeyring.Read(TokenText.Raw(members, "key_description") ?? throw Invalid(token, "no description of a key")),
            KeyTokenTypes.Recovery => throw Unsupported(token, "give the printed recovery key as the passphrase"),
            _ => throw Unsupported(token, "unlock with a passphrase or key file"),
        };
    }

    private static Task<SecretBuffer> AskClevisAsync(ClevisJwe jwe, TimeSpan patience, CancellationToken cancellationToken) =>
        HelperProcess.AskAsync(Clevis, ["decrypt"], Encoding.ASCII.GetBytes(jwe.Compact), patience, cancellationToken);

    private static InvalidImageException Invalid(KeyTokenFacts token, string what) =>
        new(ErrorIds.KeyTokenInvalid, $"Token {token.Number} of the type '{token.Type}' holds {what} that could be understood.");

    private static UnsupportedFeatureException Unsupported(KeyTokenFacts token, string instead) =>
        new(ErrorIds.KeyTokenUnsupported, $"Token {token.Number} is of the type '{token.Type}', which cannot be asked for its passphrase; {instead}.");
}
