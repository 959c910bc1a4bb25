using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Tokens;

namespace VmCrypt.Core.Keys.Store.Protectors;

/// <summary>The wrapping key is sealed by this host's TPM 2.0, through clevis, as the tokens of LUKS2 are.</summary>
internal static class TpmProtection
{
    private const string Clevis = "clevis";
    private const string Pin = "tpm2";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    /// <param name="registers">The platform configuration registers (SHA-256) that must stand as they do now; empty for none.</param>
    public static async Task<(KeyProtector Draft, SecretBuffer Key)> MakeAsync(KeyProtector draft, IReadOnlyList<int> registers, CancellationToken cancellationToken)
    {
        string policy = registers.Count == 0 ? "{}" : $$"""{"pcr_bank":"sha256","pcr_ids":"{{string.Join(',', registers)}}"}""";
        SecretBuffer key = SecretBuffer.Random(StoreKey.Size);
        try
        {
            using SecretBuffer jwe = await HelperProcess.AskAsync(Clevis, ["encrypt", Pin, policy], key.Memory, s_patience, cancellationToken);
            return (draft with { Sealed = Encoding.ASCII.GetString(jwe.Span).TrimEnd() }, key);
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.KeyTokenHelperFailed"/>: another TPM, or its registers stand otherwise.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.KeyProtectorInvalid"/>.</exception>
    public static async Task<SecretBuffer> OpenAsync(KeyProtector protector, CancellationToken cancellationToken)
    {
        // Whoever writes protectors, as a shared database's server does, must not send us to a tang server of theirs, and so choose the key.
        ClevisJwe jwe = ClevisJwe.Parse(protector.Sealed!) is { Need.Kind: Pin } ours
            ? ours
            : throw new InvalidImageException(ErrorIds.KeyProtectorInvalid, "The TPM's protector of the key store holds no JWE that clevis has sealed by a TPM.");
        return await HelperProcess.AskAsync(Clevis, ["decrypt"], Encoding.ASCII.GetBytes(jwe.Compact), s_patience, cancellationToken);
    }

    public static string DetailOf(KeyProtector protector) => ClevisJwe.Parse(protector.Sealed!)?.Need.ToString() ?? "no JWE of clevis";
}
