using System.Buffers.Binary;
using System.Security.Cryptography;

namespace VmCrypt.Core.Crypto;

/// <summary>Makes the IV of each sector out of its number, many at a time.</summary>
internal sealed class SectorIv : IDisposable
{
    private readonly IvGenerator _generator;
    private readonly BlockCipher? _essiv;

    /// <param name="size">Bytes per IV: the block size of the data cipher; 0 where the mode takes none.</param>
    private SectorIv(IvGenerator generator, int size, BlockCipher? essiv)
    {
        _generator = generator;
        _essiv = essiv;
        Size = size;
    }

    public int Size { get; }

    public static SectorIv Create(CipherSpec spec, ReadOnlySpan<byte> key, AesPath path)
    {
        if (spec.Mode == CipherMode.Ecb)
        {
            return new SectorIv(IvGenerator.None, 0, essiv: null);
        }

        return new SectorIv(spec.Iv, spec.BlockSize, spec.IvHash is { } hash ? CreateEssiv(spec.Algorithm, hash, key, path) : null);
    }

    /// <summary>Fills <paramref name="ivs"/> with as many IVs as fit, <paramref name="step"/> apart from <paramref name="sector"/> on.</summary>
    public void Fill(ulong sector, ulong step, Span<byte> ivs)
    {
        ivs.Clear();
        switch (_generator)
        {
            case IvGenerator.Plain:
                for (int at = 0; at < ivs.Length; at += Size, sector += step)
                {
                    BinaryPrimitives.WriteUInt32LittleEndian(ivs[at..], (uint)sector);
                }

                break;
            case IvGenerator.Plain64BigEndian:
                for (int at = Size - sizeof(ulong); at < ivs.Length; at += Size, sector += step)
                {
                    BinaryPrimitives.WriteUInt64BigEndian(ivs[at..], sector);
                }

                break;
            default:
                for (int at = 0; at < ivs.Length; at += Size, sector += step)
                {
                    BinaryPrimitives.WriteUInt64LittleEndian(ivs[at..], sector);
                }

                break;
        }

        _essiv?.Encrypt(ivs, ivs);
    }

    public void Dispose() => _essiv?.Dispose();

    private static BlockCipher CreateEssiv(CipherAlgorithm algorithm, HashKind hash, ReadOnlySpan<byte> key, AesPath path)
    {
        Span<byte> digest = stackalloc byte[Digest.SizeOf(hash)];
        Digest.Hash(hash, key, digest);
        BlockCipher cipher = BlockCipher.Create(algorithm, digest, path);
        CryptographicOperations.ZeroMemory(digest);
        return cipher;
    }
}
