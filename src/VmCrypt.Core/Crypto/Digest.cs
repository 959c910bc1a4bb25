using System.Security.Cryptography;
using VmCrypt.Core.Crypto.Hashes;

namespace VmCrypt.Core.Crypto;

/// <summary>One-shot hashes by <see cref="HashKind"/>.</summary>
public static class Digest
{
    /// <summary>The longest <see cref="SizeOf"/>.</summary>
    public const int MaxSize = 64;

    /// <summary>Digest length in bytes.</summary>
    public static int SizeOf(HashKind kind) => kind switch
    {
        HashKind.Sha1 or HashKind.Ripemd160 => 20,
        HashKind.Sha224 => 28,
        HashKind.Sha256 => 32,
        HashKind.Sha384 => 48,
        HashKind.Sha512 or HashKind.Whirlpool => 64,
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    /// <summary>Writes the digest of <paramref name="source"/> to the first <see cref="SizeOf"/> bytes of <paramref name="target"/>.</summary>
    public static void Hash(HashKind kind, ReadOnlySpan<byte> source, Span<byte> target)
    {
        switch (kind)
        {
            case HashKind.Sha1:
                SHA1.HashData(source, target);
                break;
            case HashKind.Sha224:
                MerkleDamgard<Sha224>.Hash(source, target);
                break;
            case HashKind.Sha256:
                SHA256.HashData(source, target);
                break;
            case HashKind.Sha384:
                SHA384.HashData(source, target);
                break;
            case HashKind.Sha512:
                SHA512.HashData(source, target);
                break;
            case HashKind.Ripemd160:
                MerkleDamgard<Ripemd160>.Hash(source, target);
                break;
            case HashKind.Whirlpool:
                MerkleDamgard<Whirlpool>.Hash(source, target);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(kind));
        }
    }
}
