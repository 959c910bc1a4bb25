using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;

namespace VmCrypt.Core.Crypto.Hashes;

/// <summary>BLAKE2b without a key (RFC 7693), in one shot.</summary>
internal static class Blake2b
{
    public const int MaxDigestSize = 64;

    private const int BlockSize = 128;
    private const int Rounds = 12;

    private static ReadOnlySpan<ulong> Start =>
    [
        0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
        0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
    ];

    private static ReadOnlySpan<byte> Order =>
    [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3,
        11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4,
        7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8,
        9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13,
        2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9,
        12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11,
        13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10,
        6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5,
        10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0,
    ];

    /// <summary>Fills <paramref name="digest"/>, whose length of 1 to 64 bytes is part of what is hashed.</summary>
    public static void Hash(ReadOnlySpan<byte> source, Span<byte> digest)
    {
        Span<ulong> state = stackalloc ulong[8];
        Start.CopyTo(state);
        state[0] ^= 0x01010000 ^ (ulong)digest.Length;

        ulong absorbed = 0;
        for (; source.Length > BlockSize; source = source[BlockSize..])
        {
            absorbed += BlockSize;
            Compress(state, source[..BlockSize], absorbed, isLast: false);
        }

        Span<byte> last = stackalloc byte[BlockSize];
        last.Clear();
        source.CopyTo(last);
        Compress(state, last, absorbed + (ulong)source.Length, isLast: true);

        Span<byte> whole = stackalloc byte[MaxDigestSize];
        for (int i = 0; i < state.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(whole[(i * sizeof(ulong))..], state[i]);
        }

        whole[..digest.Length].CopyTo(digest);
        CryptographicOperations.ZeroMemory(last);
        CryptographicOperations.ZeroMemory(whole);
        state.Clear();
    }

    private static void Compress(Span<ulong> state, ReadOnlySpan<byte> block, ulong absorbed, bool isLast)
    {
        Span<ulong> words = stackalloc ulong[16];
        for (int i = 0; i < words.Length; i++)
        {
            words[i] = BinaryPrimitives.ReadUInt64LittleEndian(block[(i * sizeof(ulong))..]);
        }

        Span<ulong> v = stackalloc ulong[16];
        state.CopyTo(v);
        Start.CopyTo(v[8..]);
        v[12] ^= absorbed;
        v[14] ^= isLast ? ulong.MaxValue : 0;

        for (int round = 0; round < Rounds; round++)
        {
            ReadOnlySpan<byte> order = Order.Slice(round % 10 * 16, 16);
            Mix(ref v[0], ref v[4], ref v[8], ref v[12], words[order[0]], words[order[1]]);
            Mix(ref v[1], ref v[5], ref v[9], ref v[13], words[order[2]], words[order[3]]);
            Mix(ref v[2], ref v[6], ref v[10], ref v[14], words[order[4]], words[order[5]]);
            Mix(ref v[3], ref v[7], ref v[11], ref v[15], words[order[6]], words[order[7]]);
            Mix(ref v[0], ref v[5], ref v[10], ref v[15], words[order[8]], words[order[9]]);
            Mix(ref v[1], ref v[6], ref v[11], ref v[12], words[order[10]], words[order[11]]);
            Mix(ref v[2], ref v[7], ref v[8], ref v[13], words[order[12]], words[order[13]]);
            Mix(ref v[3], ref v[4], ref v[9], ref v[14], words[order[14]], words[order[15]]);
        }

        for (int i = 0; i < state.Length; i++)
        {
            state[i] ^= v[i] ^ v[i + 8];
        }

        words.Clear();
        v.Clear();
    }

    private static void Mix(ref ulong a, ref ulong b, ref ulong c, ref ulong d, ulong x, ulong y)
    {
        a += b + x;
        d = BitOperations.RotateRight(d ^ a, 32);
        c += d;
        b = BitOperations.RotateRight(b ^ c, 24);
        a += b + y;
        d = BitOperations.RotateRight(d ^ a, 16);
        c += d;
        b = BitOperations.RotateRight(b ^ c, 63);
    }
}
