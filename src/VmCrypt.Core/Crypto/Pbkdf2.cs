using System.Security.Cryptography;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Crypto;

/// <summary>PBKDF2 with HMAC (RFC 8018, section 5.2).</summary>
public static class Pbkdf2
{
    /// <summary>Fills <paramref name="key"/>. The caller has bounded <paramref name="iterations"/>.</summary>
    public static void Derive(HashKind hash, ReadOnlySpan<byte> passphrase, ReadOnlySpan<byte> salt, long iterations, Span<byte> key)
    {
        HashAlgorithmName name = hash switch
        {
            HashKind.Sha1 => HashAlgorithmName.SHA1,
            HashKind.Sha256 => HashAlgorithmName.SHA256,
            HashKind.Sha384 => HashAlgorithmName.SHA384,
            HashKind.Sha512 => HashAlgorithmName.SHA512,
            _ => throw new UnsupportedFeatureException(ErrorIds.HashUnsupported, $"PBKDF2 with {HashKinds.NameOf(hash)} is not available."),
        };
        Rfc2898DeriveBytes.Pbkdf2(passphrase, salt, key, checked((int)iterations), name);
    }
}
