namespace VmCrypt.Core.Crypto.MemoryHard;

/// <summary>A vector of one or two quads: four 64-bit words each, a quarter of what one permutation of Argon2 works on.</summary>
/// <remarks>A block is 8 rows of 16 words. Two quads in one vector belong to neighbouring rows or neighbouring columns.</remarks>
internal unsafe interface IQuads<T>
    where T : unmanaged
{
    /// <summary>Quads per vector.</summary>
    static abstract int Count { get; }

    static abstract T Load(ulong* words);

    static abstract void Store(T value, ulong* words);

    /// <summary>Four words of a row, and the words below them.</summary>
    static abstract T LoadRow(ulong* words);

    static abstract void StoreRow(T value, ulong* words);

    /// <summary>Two words of a row and the two below them, and the same from the right of them.</summary>
    static abstract T LoadColumn(ulong* words);

    static abstract void StoreColumn(T value, ulong* words);

    static abstract T Xor(T a, T b);

    /// <summary>a + b + 2 × (low half of a) × (low half of b).</summary>
    static abstract T MultiplyAdd(T a, T b);

    static abstract T XorRotate32(T a, T b);

    static abstract T XorRotate24(T a, T b);

    static abstract T XorRotate16(T a, T b);

    static abstract T XorRotate63(T a, T b);

    /// <summary>Each word of a quad moves one place to the front, the first to the end.</summary>
    static abstract T Turn1(T value);

    static abstract T Turn2(T value);

    static abstract T Turn3(T value);
}
