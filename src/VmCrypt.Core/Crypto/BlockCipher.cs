namespace VmCrypt.Core.Crypto;

/// <summary>A keyed permutation of blocks, many per call; what the modes are built on. Safe for many threads at once.</summary>
internal abstract class BlockCipher : IDisposable
{
    private protected BlockCipher(int blockSize) => BlockSize = blockSize;

    /// <summary>Bytes per block: 16, or 8 for CAST5.</summary>
    public int BlockSize { get; }

    /// <summary>Encrypts whole blocks one by one (ECB). Source and target are the same span or do not overlap.</summary>
    public abstract void Encrypt(ReadOnlySpan<byte> source, Span<byte> target);

    /// <summary>Decrypts whole blocks one by one (ECB). Source and target are the same span or do not overlap.</summary>
    public abstract void Decrypt(ReadOnlySpan<byte> source, Span<byte> target);

    /// <summary>Wipes the key; every call must have returned.</summary>
    public abstract void Dispose();

    /// <summary>The cipher for a key whose size the caller has checked.</summary>
    public static BlockCipher Create(CipherAlgorithm algorithm, ReadOnlySpan<byte> key, AesPath path) =>
        algorithm == CipherAlgorithm.Aes ? AesPaths.CreateBlockCipher(path, key) : new LegacyBlockCipher(algorithm, key);
}
