using System.Runtime.CompilerServices;

namespace VmCrypt.Core.Crypto.MemoryHard;

/// <summary>G in vectors: two groups of rows or columns side by side, since one alone would wait for its own multiplications.</summary>
internal readonly unsafe struct VectorMixer<TQuads, T> : IMixer
    where TQuads : IQuads<T>
    where T : unmanaged
{
    private const int Row = 16;
    private const int Words = BlockMemory.BlockWords;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PermuteRows(ulong* previous, ulong* reference, ulong* work)
    {
        for (int upper = 0; upper < Words; upper += 2 * TQuads.Count * Row)
        {
            int lower = upper + (TQuads.Count * Row);
            T a0 = AddRows(previous, reference, upper), a1 = AddRows(previous, reference, lower);
            T b0 = AddRows(previous, reference, upper + 4), b1 = AddRows(previous, reference, lower + 4);
            T c0 = AddRows(previous, reference, upper + 8), c1 = AddRows(previous, reference, lower + 8);
            T d0 = AddRows(previous, reference, upper + 12), d1 = AddRows(previous, reference, lower + 12);
            Permute(ref a0, ref b0, ref c0, ref d0, ref a1, ref b1, ref c1, ref d1);
            TQuads.StoreRow(a0, work + upper);
            TQuads.StoreRow(b0, work + upper + 4);
            TQuads.StoreRow(c0, work + upper + 8);
            TQuads.StoreRow(d0, work + upper + 12);
            TQuads.StoreRow(a1, work + lower);
            TQuads.StoreRow(b1, work + lower + 4);
            TQuads.StoreRow(c1, work + lower + 8);
            TQuads.StoreRow(d1, work + lower + 12);
        }
    }

    public static void PermuteFirstColumns(ulong* work) => PermuteColumns(work, 0, Row / 2);

    public static void PermuteLastColumns(ulong* work) => PermuteColumns(work, Row / 2, Row);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Finish(ulong* previous, ulong* reference, ulong* work, ulong* target, bool add)
    {
        for (int at = 0; at < Words; at += 4 * TQuads.Count)
        {
            T sum = TQuads.Xor(TQuads.Load(work + at), TQuads.Xor(TQuads.Load(previous + at), TQuads.Load(reference + at)));
            TQuads.Store(add ? TQuads.Xor(sum, TQuads.Load(target + at)) : sum, target + at);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PermuteColumns(ulong* work, int from, int to)
    {
        for (ulong* left = work + from; left < work + to; left += 4 * TQuads.Count)
        {
            ulong* right = left + (2 * TQuads.Count);
            T a0 = TQuads.LoadColumn(left), a1 = TQuads.LoadColumn(right);
            T b0 = TQuads.LoadColumn(left + (2 * Row)), b1 = TQuads.LoadColumn(right + (2 * Row));
            T c0 = TQuads.LoadColumn(left + (4 * Row)), c1 = TQuads.LoadColumn(right + (4 * Row));
            T d0 = TQuads.LoadColumn(left + (6 * Row)), d1 = TQuads.LoadColumn(right + (6 * Row));
            Permute(ref a0, ref b0, ref c0, ref d0, ref a1, ref b1, ref c1, ref d1);
            TQuads.StoreColumn(a0, left);
            TQuads.StoreColumn(b0, left + (2 * Row));
            TQuads.StoreColumn(c0, left + (4 * Row));
            TQuads.StoreColumn(d0, left + (6 * Row));
            TQuads.StoreColumn(a1, right);
            TQuads.StoreColumn(b1, right + (2 * Row));
            TQuads.StoreColumn(c1, right + (4 * Row));
            TQuads.StoreColumn(d1, right + (6 * Row));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T AddRows(ulong* previous, ulong* reference, int at) =>
        TQuads.Xor(TQuads.LoadRow(previous + at), TQuads.LoadRow(reference + at));

    // The permutation P twice: BLAKE2b's round with multiplications instead of message words.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Permute(ref T a0, ref T b0, ref T c0, ref T d0, ref T a1, ref T b1, ref T c1, ref T d1)
    {
        Mix(ref a0, ref b0, ref c0, ref d0, ref a1, ref b1, ref c1, ref d1);
        (b0, c0, d0) = (TQuads.Turn1(b0), TQuads.Turn2(c0), TQuads.Turn3(d0));
        (b1, c1, d1) = (TQuads.Turn1(b1), TQuads.Turn2(c1), TQuads.Turn3(d1));
        Mix(ref a0, ref b0, ref c0, ref d0, ref a1, ref b1, ref c1, ref d1);
        (b0, c0, d0) = (TQuads.Turn3(b0), TQuads.Turn2(c0), TQuads.Turn1(d0));
        (b1, c1, d1) = (TQuads.Turn3(b1), TQuads.Turn2(c1), TQuads.Turn1(d1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Mix(ref T a0, ref T b0, ref T c0, ref T d0, ref T a1, ref T b1, ref T c1, ref T d1)
    {
        (a0, a1) = (TQuads.MultiplyAdd(a0, b0), TQuads.MultiplyAdd(a1, b1));
        (d0, d1) = (TQuads.XorRotate32(d0, a0), TQuads.XorRotate32(d1, a1));
        (c0, c1) = (TQuads.MultiplyAdd(c0, d0), TQuads.MultiplyAdd(c1, d1));
        (b0, b1) = (TQuads.XorRotate24(b0, c0), TQuads.XorRotate24(b1, c1));
        (a0, a1) = (TQuads.MultiplyAdd(a0, b0), TQuads.MultiplyAdd(a1, b1));
        (d0, d1) = (TQuads.XorRotate16(d0, a0), TQuads.XorRotate16(d1, a1));
        (c0, c1) = (TQuads.MultiplyAdd(c0, d0), TQuads.MultiplyAdd(c1, d1));
        (b0, b1) = (TQuads.XorRotate63(b0, c0), TQuads.XorRotate63(b1, c1));
    }
}
