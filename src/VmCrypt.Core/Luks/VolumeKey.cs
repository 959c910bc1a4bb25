using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Luks;

/// <summary>The key under which a payload is encrypted; wiped when disposed.</summary>
public sealed class VolumeKey : IDisposable
{
    private readonly SecretBuffer _key;

    /// <summary>Takes <paramref name="key"/>.</summary>
    internal VolumeKey(SecretBuffer key, LuksPayload payload)
    {
        _key = key.Move();
        Payload = payload;
    }

    /// <summary>What the key opens.</summary>
    public LuksPayload Payload { get; }

    internal ReadOnlySpan<byte> Span => _key.Span;

    internal ReadOnlyMemory<byte> Memory => _key.Memory;

    /// <summary>A cipher for the payload's sectors; the caller disposes it, independently of this key.</summary>
    public SectorCipher CreateCipher() => SectorCipher.Create(Payload.Cipher, _key.Span, Payload.SectorSize);

    /// <summary>A copy of the raw key, which opens the payload without any passphrase.</summary>
    public SecretBuffer Export() => _key.Copy();

    public void Dispose() => _key.Dispose();
}

/// <summary>A volume key and the slot that gave it; whoever receives it disposes the key.</summary>
public readonly record struct Unlocked(VolumeKey Key, int Slot);
