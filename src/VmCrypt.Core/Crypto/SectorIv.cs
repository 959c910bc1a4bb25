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
        for (Span<byte> rest = ivs; !rest.IsEmpty; rest = rest[Size..], sector += step)
        {
            Write(sector, rest[..Size]);
        }

        _essiv?.Encrypt(ivs, ivs);
    }

    public void Dispose() => _essiv?.Dispose();

    private void Write(ulong sector, Span<byte> iv)
    {
        switch (_generator)
        {
            case IvGenerator.Plain:
                BinaryPrimitives.WriteUInt32LittleEndian(iv, (uint)sector);
                break;
            case IvGenerator.Plain64BigEndian:
                BinaryPrimitives.WriteUInt64BigEndian(iv[^sizeof(ulong)..], sector);
                break;
            default:
                BinaryPrimitives.WriteUInt64LittleEndian(iv, sector);
                break;
        }
    }

    private static BlockCipher CreateEssiv(CipherAlgorithm algorithm, HashKind hash, ReadOnlySpan<byte> key, AesPath path)
    {
        Span<byte> digest = stackalloc byte[Digest.SizeOf(hash)];
        Digest.Hash(hash, key, digest);
        BlockCipher cipher = BlockCipher.Create(algorithm, digest, path);
        CryptographicOperations.ZeroMemory(digest);
        return cipher;
    }
}
