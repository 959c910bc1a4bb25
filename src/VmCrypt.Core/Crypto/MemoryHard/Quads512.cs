using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace VmCrypt.Core.Crypto.MemoryHard;

/// <summary>Two quads in the 512 bits of AVX-512.</summary>
internal readonly unsafe struct Quads512 : IQuads<Vector512<ulong>>
{
    private const int Row = 16;

    public static int Count => 2;

    public static Vector512<ulong> Load(ulong* words) => Vector512.Load(words);

    public static void Store(Vector512<ulong> value, ulong* words) => value.Store(words);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> LoadRow(ulong* words) =>
        Avx512F.InsertVector256(Vector256.Load(words).ToVector512Unsafe(), Vector256.Load(words + Row), 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreRow(Vector512<ulong> value, ulong* words)
    {
        value.GetLower().Store(words);
        value.GetUpper().Store(words + Row);
    }

    // Two rows of two columns each are loaded; the columns are wanted one after the other.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> LoadColumn(ulong* words) => SwapMiddle(LoadRow(words));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreColumn(Vector512<ulong> value, ulong* words) => StoreRow(SwapMiddle(value), words);

    public static Vector512<ulong> Xor(Vector512<ulong> a, Vector512<ulong> b) => a ^ b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> MultiplyAdd(Vector512<ulong> a, Vector512<ulong> b)
    {
        Vector512<ulong> product = Avx512F.Multiply(a.AsUInt32(), b.AsUInt32());
        return a + b + (product + product);
    }

    public static Vector512<ulong> XorRotate32(Vector512<ulong> a, Vector512<ulong> b) => Avx512F.RotateRight(a ^ b, 32);

    public static Vector512<ulong> XorRotate24(Vector512<ulong> a, Vector512<ulong> b) => Avx512F.RotateRight(a ^ b, 24);

    public static Vector512<ulong> XorRotate16(Vector512<ulong> a, Vector512<ulong> b) => Avx512F.RotateRight(a ^ b, 16);

    public static Vector512<ulong> XorRotate63(Vector512<ulong> a, Vector512<ulong> b) => Avx512F.RotateRight(a ^ b, 63);

    public static Vector512<ulong> Turn1(Vector512<ulong> value) => Avx512F.Permute4x64(value, 0b00_11_10_01);

    public static Vector512<ulong> Turn2(Vector512<ulong> value) => Avx512F.Permute4x64(value, 0b01_00_11_10);

    public static Vector512<ulong> Turn3(Vector512<ulong> value) => Avx512F.Permute4x64(value, 0b10_01_00_11);

    private static Vector512<ulong> SwapMiddle(Vector512<ulong> value) => Avx512F.Shuffle4x128(value, value, 0b11_01_10_00);
}
