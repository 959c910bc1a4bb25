using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace VmCrypt.Core.Crypto.Hashes;

/// <summary>Whirlpool, the final version (Barreto, Rijmen 2003; ISO/IEC 10118-3): a block cipher keyed by the chaining state.</summary>
internal readonly struct Whirlpool : ICompression
{
    private const int Rounds = 10;
    private const int Words = 8;

    // Substitution and the first column of diffusion in one; the other columns are rotations of it.
    private static readonly ulong[] s_table = MakeTable();
    private static readonly ulong[] s_roundConstants = MakeRoundConstants();

    public static int DigestSize => 64;

    public static int StateWords => 16;

    public static int LengthSize => 32;

    public static bool IsBigEndian => true;

    public static void Start(Span<uint> state) => state.Clear();

    public static void Compress(Span<uint> state, ReadOnlySpan<byte> block)
    {
        Span<ulong> chain = MemoryMarshal.Cast<uint, ulong>(state);
        Span<ulong> key = stackalloc ulong[Words];
        Span<ulong> data = stackalloc ulong[Words];
        Span<ulong> next = stackalloc ulong[Words];
        chain.CopyTo(key);
        for (int i = 0; i < Words; i++)
        {
            ulong word = BinaryPrimitives.ReadUInt64BigEndian(block[(i * sizeof(ulong))..]);
            data[i] = word ^ key[i];
            chain[i] ^= word;
        }

        for (int round = 0; round < Rounds; round++)
        {
            Diffuse(key, next);
            next[0] ^= s_roundConstants[round];
            next.CopyTo(key);
            Diffuse(data, next);
            for (int i = 0; i < Words; i++)
            {
                data[i] = next[i] ^ key[i];
            }
        }

        for (int i = 0; i < Words; i++)
        {
            chain[i] ^= data[i];
        }

        key.Clear();
        data.Clear();
        next.Clear();
    }

    public static void Finish(ReadOnlySpan<uint> state, Span<byte> digest)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<uint, ulong>(state);
        for (int i = 0; i < Words; i++)
        {
            BinaryPrimitives.WriteUInt64BigEndian(digest[(i * sizeof(ulong))..], words[i]);
        }
    }

    // Byte j of row i comes from row i - j.
    private static void Diffuse(ReadOnlySpan<ulong> rows, Span<ulong> target)
    {
        for (int i = 0; i < Words; i++)
        {
            ulong row = 0;
            for (int j = 0; j < Words; j++)
            {
                byte value = (byte)(rows[(i - j) & (Words - 1)] >> (56 - (8 * j)));
                row ^= BitOperations.RotateRight(s_table[value], 8 * j);
            }

            target[i] = row;
        }
    }

    private static ulong[] MakeTable()
    {
        // The diffusion matrix is the circulant of these, over GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1.
        ReadOnlySpan<byte> circulant = [1, 1, 4, 1, 8, 5, 2, 9];
        var table = new ulong[256];
        for (int i = 0; i < table.Length; i++)
        {
            foreach (byte factor in circulant)
            {
                table[i] = (table[i] << 8) | Multiply(Substitute((byte)i), factor);
            }
        }

        return table;
    }

    private static ulong[] MakeRoundConstants()
    {
        var constants = new ulong[Rounds];
        for (int i = 0; i < constants.Length * sizeof(ulong); i++)
        {
            ref ulong constant = ref constants[i / sizeof(ulong)];
            constant = (constant << 8) | Substitute((byte)i);
        }

        return constants;
    }

    // The S-box is built of three 4-bit ones.
    private static byte Substitute(byte value)
    {
        ReadOnlySpan<byte> exponential = [0x1, 0xB, 0x9, 0xC, 0xD, 0x6, 0xF, 0x3, 0xE, 0x8, 0x7, 0x4, 0xA, 0x2, 0x5, 0x0];
        ReadOnlySpan<byte> random = [0x7, 0xC, 0xB, 0xD, 0xE, 0x4, 0x9, 0xF, 0x6, 0x3, 0x8, 0xA, 0x2, 0x5, 0x1, 0x0];
        int high = exponential[value >> 4];
        int low = exponential.IndexOf((byte)(value & 0xF));
        int middle = random[high ^ low];
        return (byte)((exponential[high ^ middle] << 4) | exponential.IndexOf((byte)(low ^ middle)));
    }

    private static byte Multiply(byte value, byte factor)
    {
        int product = 0;
        for (int shifted = value; factor > 0; factor >>= 1, shifted = (shifted << 1) ^ ((shifted >> 7) * 0x11D))
        {
            product ^= (factor & 1) * shifted;
        }

        return (byte)product;
    }
}
