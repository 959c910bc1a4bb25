using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace VmCrypt.Core.Crypto.MemoryHard;

/// <summary>One quad in the 256 bits of AVX2.</summary>
internal readonly unsafe struct Quads256 : IQuads<Vector256<ulong>>
{
    private const int Row = 16;

    public static int Count => 1;

    public static Vector256<ulong> Load(ulong* words) => Vector256.Load(words);

    public static void Store(Vector256<ulong> value, ulong* words) => value.Store(words);

    public static Vector256<ulong> LoadRow(ulong* words) => Vector256.Load(words);

    public static void StoreRow(Vector256<ulong> value, ulong* words) => value.Store(words);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> LoadColumn(ulong* words) =>
        Avx2.InsertVector128(Vector128.Load(words).ToVector256Unsafe(), Vector128.Load(words + Row), 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreColumn(Vector256<ulong> value, ulong* words)
    {
        value.GetLower().Store(words);
        value.GetUpper().Store(words + Row);
    }

    public static Vector256<ulong> Xor(Vector256<ulong> a, Vector256<ulong> b) => a ^ b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> MultiplyAdd(Vector256<ulong> a, Vector256<ulong> b)
    {
        Vector256<ulong> product = Avx2.Multiply(a.AsUInt32(), b.AsUInt32());
        return a + b + (product + product);
    }

    // Without AVX-512 there is no rotation: whole bytes are shuffled, and one place to the left is a sum.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> XorRotate32(Vector256<ulong> a, Vector256<ulong> b) => Avx512F.VL.IsSupported
        ? Avx512F.VL.RotateRight(a ^ b, 32)
        : Avx2.Shuffle((a ^ b).AsUInt32(), 0b10_11_00_01).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> XorRotate24(Vector256<ulong> a, Vector256<ulong> b) => Avx512F.VL.IsSupported
        ? Avx512F.VL.RotateRight(a ^ b, 24)
        : Avx2.Shuffle((a ^ b).AsByte(), Vector256.Create(
            (byte)3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10)).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> XorRotate16(Vector256<ulong> a, Vector256<ulong> b) => Avx512F.VL.IsSupported
        ? Avx512F.VL.RotateRight(a ^ b, 16)
        : Avx2.Shuffle((a ^ b).AsByte(), Vector256.Create(
            (byte)2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9)).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> XorRotate63(Vector256<ulong> a, Vector256<ulong> b)
    {
        Vector256<ulong> sum = a ^ b;
        return Avx512F.VL.IsSupported ? Avx512F.VL.RotateRight(sum, 63) : (sum + sum) | (sum >> 63);
    }

    public static Vector256<ulong> Turn1(Vector256<ulong> value) => Avx2.Permute4x64(value, 0b00_11_10_01);

    public static Vector256<ulong> Turn2(Vector256<ulong> value) => Avx2.Permute4x64(value, 0b01_00_11_10);

    public static Vector256<ulong> Turn3(Vector256<ulong> value) => Avx2.Permute4x64(value, 0b10_01_00_11);
}
