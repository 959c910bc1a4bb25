using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Wipe.Patterns;

/// <summary>The AES-128-CTR keystream of a key: block n, at offset 16 n, is the encryption of n as a 128-bit little-endian number.</summary>
/// <remarks>Random to everybody without the key; to us, a function of the offset.</remarks>
internal sealed class KeystreamContent : PassContent
{
    public const int KeySize = 16;

    private const int BlockSize = 16;

    // What the cipher takes at least; a piece that begins or ends within one is cut out of it.
    private const int Sector = 512;

    // Counters, stream and target stay in the first-level cache.
    private const int Chunk = 16 * 1024;

    private static readonly CipherSpec s_blockwise = CipherSpec.Parse("aes-ecb");

    private readonly SectorCipher _aes;
    private readonly byte[] _edge = new byte[Sector];
    private readonly byte[] _expected = new byte[Chunk];
    private readonly bool _complement;

    /// <param name="complement">Every bit the opposite of the keystream.</param>
    public KeystreamContent(SecretBuffer key, bool complement)
    {
        _aes = SectorCipher.Create(s_blockwise, key.Span, Sector);
        _complement = complement;
    }

    public override int Period => 0;

    public override void Fill(long offset, Span<byte> target)
    {
        int lead = (int)(offset % Sector);
        if (lead != 0)
        {
            int count = Math.Min(Sector - lead, target.Length);
            Generate(offset - lead, _edge);
            _edge.AsSpan(lead, count).CopyTo(target);
            target = target[count..];
            offset += count;
        }

        while (target.Length >= Sector)
        {
            int count = Math.Min(target.Length, Chunk) & -Sector;
            Generate(offset, target[..count]);
            target = target[count..];
            offset += count;
        }

        if (!target.IsEmpty)
        {
            Generate(offset, _edge);
            _edge.AsSpan(0, target.Length).CopyTo(target);
        }
    }

    public override int FirstDifference(long offset, ReadOnlySpan<byte> actual)
    {
        for (int at = 0; at < actual.Length; at += Chunk)
        {
            Span<byte> part = _expected.AsSpan(0, Math.Min(Chunk, actual.Length - at));
            Fill(offset + at, part);
            int same = part.CommonPrefixLength(actual[at..]);
            if (same < part.Length)
            {
                return at + same;
            }
        }

        return -1;
    }

    public override void Dispose()
    {
        _aes.Dispose();
        base.Dispose();
    }

    private void Generate(long offset, Span<byte> target)
    {
        var counter = Vector128.Create((ulong)(offset / BlockSize), 0UL);
        foreach (ref Vector128<ulong> slot in MemoryMarshal.Cast<byte, Vector128<ulong>>(target))
        {
            slot = counter;
            counter += Vector128.Create(1UL, 0UL);
        }

        _aes.Encrypt(0, target, target);
        if (_complement)
        {
            Invert(target);
        }
    }

    private static void Invert(Span<byte> target)
    {
        Span<Vector<byte>> vectors = MemoryMarshal.Cast<byte, Vector<byte>>(target);
        foreach (ref Vector<byte> vector in vectors)
        {
            vector = ~vector;
        }

        foreach (ref byte value in target[(vectors.Length * Vector<byte>.Count)..])
        {
            value = (byte)~value;
        }
    }
}
