using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Luks.Luks1;

/// <summary>The way between a passphrase, a slot's key material and the volume key (LUKS1 specification, section 4). Knows no device.</summary>
internal static class Luks1Keyslots
{
    /// <summary>The volume key if <paramref name="passphrase"/> opens the slot, else null.</summary>
    public static SecretBuffer? Open(
        in Luks1Header header, Luks1Terms terms, Luks1Slot slot, ReadOnlySpan<byte> material, ReadOnlySpan<byte> passphrase)
    {
        using SectorCipher wrap = Wrap(terms, slot, passphrase);
        using SecretBuffer key = KeyMaterial.Open(terms.Hash, wrap, material, terms.Payload.KeySize);
        return Proves(header, terms, key.Span) ? key.Move() : null;
    }

    /// <summary>Splits and encrypts the volume key for a slot.</summary>
    public static byte[] Seal(Luks1Terms terms, Luks1Slot slot, ReadOnlySpan<byte> volumeKey, ReadOnlySpan<byte> passphrase)
    {
        using SectorCipher wrap = Wrap(terms, slot, passphrase);
        return KeyMaterial.Seal(terms.Hash, wrap, volumeKey);
    }

    public static ImmutableArray<byte> DigestOf(HashKind hash, ReadOnlySpan<byte> volumeKey, ImmutableArray<byte> salt, uint iterations)
    {
        byte[] digest = new byte[Luks1Layout.DigestLength];
        Pbkdf2.Derive(hash, volumeKey, salt.AsSpan(), iterations, digest);
        return ImmutableCollectionsMarshal.AsImmutableArray(digest);
    }

    /// <summary>True if <paramref name="volumeKey"/> is the header's.</summary>
    public static bool Proves(in Luks1Header header, Luks1Terms terms, ReadOnlySpan<byte> volumeKey)
    {
        ImmutableArray<byte> digest = DigestOf(terms.Hash, volumeKey, header.DigestSalt, header.DigestIterations);
        return CryptographicOperations.FixedTimeEquals(digest.AsSpan(), header.Digest.AsSpan());
    }

    // The payload's cipher, under the passphrase's key.
    private static SectorCipher Wrap(Luks1Terms terms, Luks1Slot slot, ReadOnlySpan<byte> passphrase)
    {
        using var key = new SecretBuffer(terms.Payload.KeySize);
        Pbkdf2.Derive(terms.Hash, passphrase, slot.Salt.AsSpan(), slot.Iterations, key.Span);
        return SectorCipher.Create(terms.Payload.Cipher, key.Span, Luks1Layout.SectorSize);
    }
}
