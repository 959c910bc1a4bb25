using System.Runtime.Intrinsics;

namespace VmCrypt.Core.Crypto.Hardware;

/// <summary>One direction of AES in the instructions of one processor family.</summary>
/// <remarks>
/// x64 adds a round's key after the round, ARM before it. So a round is given both neighbours of its place in the key
/// schedule and takes the one that its instruction wants; the compiler drops the other.
/// </remarks>
internal interface IAesRounds
{
    static abstract bool IsSupported { get; }

    /// <summary>What comes before the first round.</summary>
    static abstract Vector128<byte> Start(Vector128<byte> state, Vector128<byte> firstKey);

    static abstract Vector128<byte> Middle(Vector128<byte> state, Vector128<byte> keyBefore, Vector128<byte> keyAfter);

    /// <summary>The round without MixColumns, and the last key.</summary>
    static abstract Vector128<byte> Last(Vector128<byte> state, Vector128<byte> keyBefore, Vector128<byte> lastKey);

    /// <summary>An encryption key between the first and the last, as this direction wants it (FIPS 197, section 5.3.5).</summary>
    static abstract Vector128<byte> MiddleKey(Vector128<byte> encryptionKey);
}
