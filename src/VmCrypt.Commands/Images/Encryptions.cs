using VmCrypt.Core.Crypto;
using VmCrypt.Core.Luks;

namespace VmCrypt.Commands.Images;

/// <summary>The encryption of a new disk as -Cipher, -KeySize and -Hash give it.</summary>
internal static class Encryptions
{
    private const int UsualKeyBits = 256;

    /// <param name="cipher">As dm-crypt writes it; null for aes-xts-plain64.</param>
    /// <param name="keyBits">Null for 256 bits, which under XTS are two keys of 256.</param>
    /// <param name="hash">Null for SHA-256.</param>
    /// <param name="cost">Of the first key slot.</param>
    public static LuksFormatOptions Of(string? cipher, int? keyBits, HashKind? hash, KdfCost cost)
    {
        CipherSpec spec = cipher is null ? CipherSpec.Default : CipherSpec.Parse(cipher);
        int usual = Math.Min(spec.KeySizes[^1], (spec.Mode == CipherMode.Xts ? 2 : 1) * UsualKeyBits / 8);
        return LuksFormatOptions.Default with
        {
            Cipher = spec,
            KeySize = keyBits is { } bits ? Bytes(bits, spec) : usual,
            Hash = hash ?? LuksFormatOptions.Default.Hash,
            Cost = cost,
        };
    }

    private static int Bytes(int bits, CipherSpec spec)
    {
        int bytes = bits % 8 == 0 ? bits / 8 : 0;
        spec.RequireKeySize(bytes);
        return bytes;
    }
}
