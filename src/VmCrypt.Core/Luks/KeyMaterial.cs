using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Luks;

/// <summary>A key as a key slot stores it: split into stripes, filled up to whole sectors with zeros, encrypted. Knows no device.</summary>
/// <remarks>Sectors are of 512 bytes and count from the start of the material, whatever the payload has.</remarks>
internal static class KeyMaterial
{
    public const int SectorSize = 512;

    /// <summary>The only number of stripes that anybody makes or accepts.</summary>
    public const int Stripes = 4000;

    /// <summary>Bytes of material for a key of <paramref name="keySize"/> bytes.</summary>
    public static int Length(int keySize) => checked((keySize * Stripes) + SectorSize - 1) / SectorSize * SectorSize;

    /// <summary>The material of <paramref name="key"/>, encrypted under <paramref name="wrap"/>.</summary>
    public static byte[] Seal(HashKind splitter, SectorCipher wrap, ReadOnlySpan<byte> key)
    {
        byte[] material = new byte[Length(key.Length)];
        using var plain = new SecretBuffer(material.Length);
        AntiForensic.Split(splitter, key, plain.Span[..(key.Length * Stripes)], Stripes);
        wrap.Encrypt(0, plain.Span, material);
        return material;
    }

    /// <summary>What <paramref name="material"/> holds under <paramref name="wrap"/>: the key if that is the right one, else noise.</summary>
    public static SecretBuffer Open(HashKind splitter, SectorCipher wrap, ReadOnlySpan<byte> material, int keySize)
    {
        using var plain = new SecretBuffer(material.Length);
        wrap.Decrypt(0, material, plain.Span);
        var key = new SecretBuffer(keySize);
        AntiForensic.Merge(splitter, plain.Span[..(keySize * Stripes)], key.Span, Stripes);
        return key;
    }
}
