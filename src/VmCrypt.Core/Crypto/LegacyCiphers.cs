using System.Security.Cryptography;
using Org.BouncyCastle.Crypto.Engines;
using Org.BouncyCastle.Crypto.Parameters;
using VmCrypt.Core.Buffers;
using IEngine = Org.BouncyCastle.Crypto.IBlockCipher;

namespace VmCrypt.Core.Crypto;

/// <summary>Twofish, Serpent and CAST5 by BouncyCastle, for images that somebody made long ago: right, not fast.</summary>
/// <remarks>BouncyCastle cannot wipe its key schedules; what it holds is left to the collector.</remarks>
internal sealed class LegacyBlockCipher : BlockCipher
{
    private readonly CipherAlgorithm _algorithm;
    private readonly SecretBuffer _key;
    private readonly EnginePool<Engine> _encryptors;
    private readonly EnginePool<Engine> _decryptors;

    public LegacyBlockCipher(CipherAlgorithm algorithm, ReadOnlySpan<byte> key)
        : base(algorithm == CipherAlgorithm.Cast5 ? 8 : 16)
    {
        _algorithm = algorithm;
        _key = SecretBuffer.CopyOf(key);
        _encryptors = new(() => CreateEngine(encrypt: true));
        _decryptors = new(() => CreateEngine(encrypt: false));
    }

    public override void Encrypt(ReadOnlySpan<byte> source, Span<byte> target) => Run(_encryptors, source, target);

    public override void Decrypt(ReadOnlySpan<byte> source, Span<byte> target) => Run(_decryptors, source, target);

    public override void Dispose()
    {
        _encryptors.Dispose();
        _decryptors.Dispose();
        _key.Dispose();
    }

    private static void Run(EnginePool<Engine> engines, ReadOnlySpan<byte> source, Span<byte> target)
    {
        Engine engine = engines.Rent();
        engine.Run(source, target);
        engines.Return(engine);
    }

    private Engine CreateEngine(bool encrypt)
    {
        // "Tnepres" is BouncyCastle's other Serpent, with the bytes reversed; Linux, libgcrypt and nettle agree with this one.
        IEngine engine = _algorithm switch
        {
            CipherAlgorithm.Twofish => new TwofishEngine(),
            CipherAlgorithm.Serpent => new SerpentEngine(),
            CipherAlgorithm.Cast5 => new Cast5Engine(),
            _ => throw new InvalidOperationException($"{_algorithm} is not a legacy cipher."),
        };
        byte[] key = _key.Span.ToArray();
        engine.Init(encrypt, new KeyParameter(key));
        CryptographicOperations.ZeroMemory(key);
        return new Engine(engine);
    }

    // BouncyCastle takes arrays, and one call at a time.
    private sealed class Engine(IEngine inner)
    {
        private readonly byte[] _block = GC.AllocateArray<byte>(inner.GetBlockSize(), pinned: true);

        public void Run(ReadOnlySpan<byte> source, Span<byte> target)
        {
            for (int at = 0; at < source.Length; at += _block.Length)
            {
                source.Slice(at, _block.Length).CopyTo(_block);
                inner.ProcessBlock(_block, 0, _block, 0);
                _block.CopyTo(target[at..]);
            }

            CryptographicOperations.ZeroMemory(_block);
        }
    }
}
