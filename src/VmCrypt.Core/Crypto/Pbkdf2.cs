using System.Security.Cryptography;
using VmCrypt.Core.Crypto.Hashes;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Crypto;

/// <summary>PBKDF2 with HMAC (RFC 8018, section 5.2).</summary>
public static class Pbkdf2
{
    /// <summary>More than minutes of work on any machine; OpenSSL counts no further either.</summary>
    public const long MaxIterations = int.MaxValue;

    /// <summary>Fills <paramref name="key"/>. Runs to the end: the caller has bounded <paramref name="iterations"/>.</summary>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.IterationsUnsupported"/>: above <see cref="MaxIterations"/>.</exception>
    public static void Derive(HashKind hash, ReadOnlySpan<byte> passphrase, ReadOnlySpan<byte> salt, long iterations, Span<byte> key)
    {
        if (iterations is < 1 or > MaxIterations)
        {
            throw new UnsupportedFeatureException(ErrorIds.IterationsUnsupported,
                $"PBKDF2 with {iterations} iterations is not possible; allowed are 1 to {MaxIterations}.");
        }

        int count = (int)iterations;
        switch (hash)
        {
            case HashKind.Sha224:
                MerkleDamgard<Sha224>.Pbkdf2(passphrase, salt, count, key);
                break;
            case HashKind.Ripemd160:
                MerkleDamgard<Ripemd160>.Pbkdf2(passphrase, salt, count, key);
                break;
            case HashKind.Whirlpool:
                MerkleDamgard<Whirlpool>.Pbkdf2(passphrase, salt, count, key);
                break;
            default:
                Rfc2898DeriveBytes.Pbkdf2(passphrase, salt, key, count, PlatformName(hash));
                break;
        }
    }

    private static HashAlgorithmName PlatformName(HashKind hash) => hash switch
    {
        HashKind.Sha1 => HashAlgorithmName.SHA1,
        HashKind.Sha256 => HashAlgorithmName.SHA256,
        HashKind.Sha384 => HashAlgorithmName.SHA384,
        HashKind.Sha512 => HashAlgorithmName.SHA512,
        _ => throw new ArgumentOutOfRangeException(nameof(hash)),
    };
}
