using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
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

    private static void Diffuse(ReadOnlySpan<ulong> rows, Span<ulong> target)
    {
        (ulong r7, ulong r6, ulong r5, ulong r4) = (rows[7], rows[6], rows[5], rows[4]);
        (ulong r3, ulong r2, ulong r1, ulong r0) = (rows[3], rows[2], rows[1], rows[0]);
        ref ulong table = ref MemoryMarshal.GetArrayDataReference(s_table);
        target[7] = Row(ref table, r7, r6, r5, r4, r3, r2, r1, r0);
        target[6] = Row(ref table, r6, r5, r4, r3, r2, r1, r0, r7);
        target[5] = Row(ref table, r5, r4, r3, r2, r1, r0, r7, r6);
        target[4] = Row(ref table, r4, r3, r2, r1, r0, r7, r6, r5);
        target[3] = Row(ref table, r3, r2, r1, r0, r7, r6, r5, r4);
        target[2] = Row(ref table, r2, r1, r0, r7, r6, r5, r4, r3);
        target[1] = Row(ref table, r1, r0, r7, r6, r5, r4, r3, r2);
        target[0] = Row(ref table, r0, r7, r6, r5, r4, r3, r2, r1);
    }

    // One byte of each row: of the row itself the first, of the one above the second, and so on around.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Row(ref ulong table, ulong a, ulong b, ulong c, ulong d, ulong e, ulong f, ulong g, ulong h) =>
        Look(ref table, a, 0) ^ Look(ref table, b, 8) ^ Look(ref table, c, 16) ^ Look(ref table, d, 24)
        ^ Look(ref table, e, 32) ^ Look(ref table, f, 40) ^ Look(ref table, g, 48) ^ Look(ref table, h, 56);

    // A byte indexes 256 entries, so no bounds need checking.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Look(ref ulong table, ulong row, int column) =>
        BitOperations.RotateRight(Unsafe.Add(ref table, (nint)(byte)(row >> (56 - column))), column);

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
