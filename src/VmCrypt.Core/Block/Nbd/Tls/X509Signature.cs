using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>Whether an authority's key signed some bytes.</summary>
internal static class X509Signature
{
    /// <param name="algorithm">The object identifier of the signature.</param>
    /// <exception cref="CryptographicException">The algorithm is not one of those below.</exception>
    public static bool Verify(X509Certificate2 authority, string algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature) => algorithm switch
    {
        "1.2.840.113549.1.1.11" => Rsa(authority, data, signature, HashAlgorithmName.SHA256),
        "1.2.840.113549.1.1.12" => Rsa(authority, data, signature, HashAlgorithmName.SHA384),
        "1.2.840.113549.1.1.13" => Rsa(authority, data, signature, HashAlgorithmName.SHA512),
        "1.2.840.10045.4.3.2" => Ecdsa(authority, data, signature, HashAlgorithmName.SHA256),
        "1.2.840.10045.4.3.3" => Ecdsa(authority, data, signature, HashAlgorithmName.SHA384),
        "1.2.840.10045.4.3.4" => Ecdsa(authority, data, signature, HashAlgorithmName.SHA512),
        _ => throw new CryptographicException($"its signature is of kind {algorithm}; RSA (PKCS #1) and ECDSA with SHA-256, SHA-384 or SHA-512 are supported"),
    };

    private static bool Rsa(X509Certificate2 authority, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature, HashAlgorithmName hash)
    {
        using RSA? key = authority.GetRSAPublicKey();
        return key?.VerifyData(data, signature, hash, RSASignaturePadding.Pkcs1) ?? false;
    }

    private static bool Ecdsa(X509Certificate2 authority, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature, HashAlgorithmName hash)
    {
        using ECDsa? key = authority.GetECDsaPublicKey();
        return key?.VerifyData(data, signature, hash, DSASignatureFormat.Rfc3279DerSequence) ?? false;
    }
}
