using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>A key slot ready for use: the way between a passphrase, key material and the key that the slot holds. Knows no device.</summary>
/// <param name="Cipher">Of the key material.</param>
/// <param name="WrapKeySize">Bytes of the key that encrypts the material.</param>
/// <param name="KeySize">Bytes of the key that the slot holds.</param>
/// <param name="Offset">Where the material lies, in bytes from the start of the header.</param>
internal sealed record Luks2Slot(
    int Number, CipherSpec Cipher, int WrapKeySize, HashKind Splitter, Luks2Derivation Derivation, int KeySize, long Offset)
{
    /// <summary>cryptsetup's maximum for the key of a slot.</summary>
    private const int MaxKeySize = 4096;

    /// <summary>Bytes of key material.</summary>
    public int MaterialLength => KeyMaterial.Length(KeySize);

    /// <exception cref="UnsupportedFeatureException">The slot names what is not known here, or costs more than is allowed.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Luks2KeyslotInvalid"/>.</exception>
    public static Luks2Slot Of(Luks2Keyslot slot)
    {
        string owner = $"Key slot {slot.Number}";
        if (!slot.IsLuks2)
        {
            throw new UnsupportedFeatureException(ErrorIds.Luks2KeyslotUnsupported, $"{owner} is of the type '{slot.Type}', which no passphrase opens.");
        }

        CipherSpec cipher = Luks2Terms.CipherOf(slot.Area.Cipher!);
        if (slot.Area.KeySize > int.MaxValue || !cipher.KeySizes.Contains((int)slot.Area.KeySize))
        {
            throw Invalid(owner, $"a key of {slot.Area.KeySize} bytes for {cipher}, which takes {string.Join(", ", cipher.KeySizes)}");
        }

        if (slot.KeySize is < 1 or > MaxKeySize || (ulong)KeyMaterial.Length((int)slot.KeySize) > slot.Area.Size)
        {
            throw Invalid(owner, $"a key of {slot.KeySize} bytes, whose key material does not fit into its area of {slot.Area.Size}");
        }

        if (slot.Splitter!.Stripes != KeyMaterial.Stripes)
        {
            throw Invalid(owner, $"{slot.Splitter.Stripes} stripes instead of {KeyMaterial.Stripes}");
        }

        return new Luks2Slot(
            slot.Number,
            cipher,
            (int)slot.Area.KeySize,
            Luks2Words.HashOf(slot.Splitter.Hash),
            Luks2Derivation.Of(slot.Kdf!, owner),
            (int)slot.KeySize,
            (long)slot.Area.Offset);
    }

    /// <summary>A slot to be filled, with key material under the payload's cipher; a cost given as a time is measured on this machine.</summary>
    /// <param name="meter">Measures PBKDF2 under <paramref name="hash"/>.</param>
    public static Luks2Slot Create(
        int number, CipherSpec cipher, int keySize, HashKind hash, KdfCost cost, long offset, Pbkdf2Meter meter, CancellationToken cancellationToken)
    {
        // A key that is no volume key may have any size, and is then wrapped under the largest key that the cipher takes;
        // so is one of 384 bits for XTS, which cryptsetup cannot do without the kernel, as OpenSSL has none.
        bool fits = cipher.KeySizes.Contains(keySize) && (cipher.Mode != CipherMode.Xts || keySize != 48);
        int wrapKeySize = fits ? keySize : cipher.KeySizes[^1];
        var derivation = Luks2Derivation.Create(cost, hash, wrapKeySize, meter, cancellationToken);
        return new Luks2Slot(number, cipher, wrapKeySize, hash, derivation, keySize, offset);
    }

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeySizeInvalid"/>.</exception>
    public static void RequireKeySize(int keySize)
    {
        if (keySize is < 1 or > MaxKeySize)
        {
            throw new InvalidInputException(ErrorIds.KeySizeInvalid, $"The key has {keySize} bytes, but must have 1 to {MaxKeySize}.");
        }
    }

    /// <summary>The key that the passphrase finds in the material: the right one, or noise that no digest proves.</summary>
    public SecretBuffer Open(ReadOnlySpan<byte> material, ReadOnlySpan<byte> passphrase, CancellationToken cancellationToken)
    {
        using SectorCipher wrap = Wrap(passphrase, cancellationToken);
        return KeyMaterial.Open(Splitter, wrap, material, KeySize);
    }

    public byte[] Seal(ReadOnlySpan<byte> key, ReadOnlySpan<byte> passphrase, CancellationToken cancellationToken)
    {
        using SectorCipher wrap = Wrap(passphrase, cancellationToken);
        return KeyMaterial.Seal(Splitter, wrap, key);
    }

    private SectorCipher Wrap(ReadOnlySpan<byte> passphrase, CancellationToken cancellationToken)
    {
        using var key = new SecretBuffer(WrapKeySize);
        Derivation.Derive(passphrase, key.Span, cancellationToken);
        return SectorCipher.Create(Cipher, key.Span);
    }

    private static InvalidImageException Invalid(string owner, string what) => new(ErrorIds.Luks2KeyslotInvalid, $"{owner} has {what}.");
}
