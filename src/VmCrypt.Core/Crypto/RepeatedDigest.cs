using System.Security.Cryptography;
using VmCrypt.Core.Crypto.Hardware;

namespace VmCrypt.Core.Crypto;

/// <summary>Many short hashes of one kind: what the system's library does for each one alone takes longer than the hash. Not for several threads.</summary>
internal sealed class RepeatedDigest(HashKind kind) : IDisposable
{
    private readonly IncrementalHash? _system = kind switch
    {
        HashKind.Sha1 => IncrementalHash.CreateHash(HashAlgorithmName.SHA1),
        HashKind.Sha256 => IncrementalHash.CreateHash(HashAlgorithmName.SHA256),
        HashKind.Sha384 => IncrementalHash.CreateHash(HashAlgorithmName.SHA384),
        HashKind.Sha512 => IncrementalHash.CreateHash(HashAlgorithmName.SHA512),
        _ => null,
    };

    public int Size { get; } = Digest.SizeOf(kind);

    /// <summary>Writes the digest of <paramref name="source"/> to the first <see cref="Size"/> bytes of <paramref name="target"/>.</summary>
    public void Hash(ReadOnlySpan<byte> source, Span<byte> target)
    {
        if (_system is null)
        {
            Digest.Hash(kind, source, target);
            return;
        }

        _system.AppendData(source);
        _system.GetHashAndReset(target);
    }

    /// <summary>Writes the digests of all blocks of <paramref name="size"/> bytes in <paramref name="source"/>, one behind the other; several at a time where this machine can.</summary>
    public void HashEach(ReadOnlySpan<byte> source, int size, Span<byte> target)
    {
        int block = 0;
        int blocks = source.Length / size;
        if (kind == HashKind.Sha256 && Sha256Lanes.IsSupported && size % Sha256Lanes.BlockSize == 0)
        {
            for (; block + Sha256Lanes.Lanes <= blocks; block += Sha256Lanes.Lanes)
            {
                Sha256Lanes.Hash(source[(block * size)..], size, target[(block * Size)..]);
            }
        }

        for (; block < blocks; block++)
        {
            Hash(source.Slice(block * size, size), target.Slice(block * Size, Size));
        }
    }

    public void Dispose() => _system?.Dispose();
}
