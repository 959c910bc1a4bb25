namespace VmCrypt.Core.Crypto.Hashes;

/// <summary>The compression function of a hash of the MD family with 64-byte blocks, and how it pads.</summary>
internal interface ICompression
{
    static abstract int DigestSize { get; }

    /// <summary>32-bit words of chaining state.</summary>
    static abstract int StateWords { get; }

    /// <summary>Bytes of the message length at the end of the padding.</summary>
    static abstract int LengthSize { get; }

    /// <summary>Byte order of the message length.</summary>
    static abstract bool IsBigEndian { get; }

    static abstract void Start(Span<uint> state);

    static abstract void Compress(Span<uint> state, ReadOnlySpan<byte> block);

    static abstract void Finish(ReadOnlySpan<uint> state, Span<byte> digest);
}
