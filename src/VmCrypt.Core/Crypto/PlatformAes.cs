using System.Security.Cryptography;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Crypto;

/// <summary>AES by the operating system's library, where the processor's instructions cannot be used directly.</summary>
internal sealed class PlatformAes : BlockCipher
{
    private const int AesBlockSize = 16;

    private readonly SecretBuffer _key;
    private readonly EnginePool<Aes> _engines;

    public PlatformAes(ReadOnlySpan<byte> key)
        : base(AesBlockSize)
    {
        _key = SecretBuffer.CopyOf(key);
        _engines = new(CreateEngine);
    }

    public override void Encrypt(ReadOnlySpan<byte> source, Span<byte> target)
    {
        Aes engine = _engines.Rent();
        engine.EncryptEcb(source, target, PaddingMode.None);
        _engines.Return(engine);
    }

    public override void Decrypt(ReadOnlySpan<byte> source, Span<byte> target)
    {
        Aes engine = _engines.Rent();
        engine.DecryptEcb(source, target, PaddingMode.None);
        _engines.Return(engine);
    }

    public override void Dispose()
    {
        _engines.Dispose();
        _key.Dispose();
    }

    private Aes CreateEngine()
    {
        var engine = Aes.Create();
        engine.SetKey(_key.Span);
        return engine;
    }
}
