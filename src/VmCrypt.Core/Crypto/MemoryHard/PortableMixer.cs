using System.Numerics;
using System.Runtime.CompilerServices;

namespace VmCrypt.Core.Crypto.MemoryHard;

/// <summary>G in general registers, for processors without AVX2. NEON would gain little: it has neither the multiplication nor the rotations.</summary>
internal readonly unsafe struct PortableMixer : IMixer
{
    private const int Row = 16;
    private const int Words = BlockMemory.BlockWords;

    public static void PermuteRows(ulong* previous, ulong* reference, ulong* work)
    {
        for (int i = 0; i < Words; i++)
        {
            work[i] = previous[i] ^ reference[i];
        }

        for (int row = 0; row < Words; row += Row)
        {
            Permute(work + row, step: 2);
        }
    }

    public static void PermuteFirstColumns(ulong* work) => PermuteColumns(work, 0, Row / 2);

    public static void PermuteLastColumns(ulong* work) => PermuteColumns(work, Row / 2, Row);

    public static void Finish(ulong* previous, ulong* reference, ulong* work, ulong* target, bool add)
    {
        for (int i = 0; i < Words; i++)
        {
            target[i] = work[i] ^ previous[i] ^ reference[i] ^ (add ? target[i] : 0);
        }
    }

    private static void PermuteColumns(ulong* work, int from, int to)
    {
        for (int column = from; column < to; column += 2)
        {
            Permute(work + column, step: Row);
        }
    }

    // The permutation P: BLAKE2b's round with multiplications instead of message words, on eight pairs that lie a step apart.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Permute(ulong* p, int step)
    {
        ulong* p1 = p + step, p2 = p1 + step, p3 = p2 + step, p4 = p3 + step, p5 = p4 + step, p6 = p5 + step, p7 = p6 + step;
        Mix(ref p[0], ref p2[0], ref p4[0], ref p6[0]);
        Mix(ref p[1], ref p2[1], ref p4[1], ref p6[1]);
        Mix(ref p1[0], ref p3[0], ref p5[0], ref p7[0]);
        Mix(ref p1[1], ref p3[1], ref p5[1], ref p7[1]);
        Mix(ref p[0], ref p2[1], ref p5[0], ref p7[1]);
        Mix(ref p[1], ref p3[0], ref p5[1], ref p6[0]);
        Mix(ref p1[0], ref p3[1], ref p4[0], ref p6[1]);
        Mix(ref p1[1], ref p2[0], ref p4[1], ref p7[0]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Mix(ref ulong wordA, ref ulong wordB, ref ulong wordC, ref ulong wordD)
    {
        (ulong a, ulong b, ulong c, ulong d) = (wordA, wordB, wordC, wordD);
        a = MultiplyAdd(a, b);
        d = BitOperations.RotateRight(d ^ a, 32);
        c = MultiplyAdd(c, d);
        b = BitOperations.RotateRight(b ^ c, 24);
        a = MultiplyAdd(a, b);
        d = BitOperations.RotateRight(d ^ a, 16);
        c = MultiplyAdd(c, d);
        b = BitOperations.RotateRight(b ^ c, 63);
        (wordA, wordB, wordC, wordD) = (a, b, c, d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong MultiplyAdd(ulong a, ulong b) => a + b + (2 * (ulong)(uint)a * (uint)b);
}
