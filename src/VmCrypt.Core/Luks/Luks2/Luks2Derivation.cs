using System.Security.Cryptography;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>The key derivation of a slot, ready for use: its costs are bounded.</summary>
/// <param name="Hash">Of PBKDF2.</param>
/// <param name="Iterations">Of PBKDF2, or passes of Argon2.</param>
internal sealed record Luks2Derivation(KdfKind Kind, HashKind Hash, long Iterations, byte[] Salt)
{
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.KdfUnsupported"/>, <see cref="ErrorIds.HashUnsupported"/>,
    /// <see cref="ErrorIds.KdfCostTooHigh"/>.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Luks2KeyslotInvalid"/>.</exception>
    public static Luks2Derivation Of(Luks2Kdf kdf, string owner) => kdf.Type switch
    {
        Luks2Kdf.Pbkdf2Type => new Luks2Derivation(
            KdfKind.Pbkdf2, Luks2Words.HashOf(kdf.Hash), Luks2Words.RequireIterations(kdf.Iterations, owner), SaltOf(kdf, owner)),
        _ => throw new UnsupportedFeatureException(ErrorIds.KdfUnsupported,
            $"{owner} derives its key by '{kdf.Type}', which is not known."),
    };

    /// <summary>Resolves a cost under a fresh salt; one given as a time is measured on this machine.</summary>
    /// <param name="meter">Measures PBKDF2.</param>
    /// <param name="hash">For PBKDF2.</param>
    public static Luks2Derivation Create(KdfCost cost, HashKind hash, int keySize, Pbkdf2Meter meter, CancellationToken cancellationToken)
    {
        KdfKind kind = cost.KindIn(LuksVersion.Luks2);
        if (kind != KdfKind.Pbkdf2)
        {
            throw new UnsupportedFeatureException(ErrorIds.KdfUnsupported, $"Key slots with {kind} cannot be made.");
        }

        return new Luks2Derivation(kind, hash, meter.Slot(cost), RandomNumberGenerator.GetBytes(Luks2Layout.SaltLength));
    }

    public void Derive(ReadOnlySpan<byte> passphrase, Span<byte> key, CancellationToken cancellationToken) => Pbkdf2.Derive(Hash, passphrase, Salt, Iterations, key);

    public Luks2Kdf ToMetadata() => new(
        Luks2Kdf.Pbkdf2Type, (uint)Iterations, 0, 1, HashKinds.NameOf(Hash), Convert.ToBase64String(Salt));

    private static byte[] SaltOf(Luks2Kdf kdf, string owner)
    {
        byte[] salt = new byte[kdf.Salt.Length];
        return Convert.TryFromBase64String(kdf.Salt, salt, out int length) && length == Luks2Layout.SaltLength
            ? salt[..length]
            : throw new InvalidImageException(ErrorIds.Luks2KeyslotInvalid,
                $"{owner} has no valid salt; it must be {Luks2Layout.SaltLength} bytes in base64.");
    }
}
