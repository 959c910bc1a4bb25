using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace VmCrypt.Core.Crypto.Hardware;

/// <summary>Takes blocks through all rounds. Eight at once hide the latency of the instructions, which is four cycles or less everywhere.</summary>
internal static class AesPipeline<TRounds>
    where TRounds : IAesRounds
{
    private const nuint BlockSize = 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> One(ref byte keys, nuint rounds, Vector128<byte> block)
    {
        Vector128<byte> before = Vector128.LoadUnsafe(ref keys);
        block = TRounds.Start(block, before);
        for (nuint at = BlockSize; at < rounds * BlockSize; at += BlockSize)
        {
            Vector128<byte> after = Vector128.LoadUnsafe(ref keys, at);
            block = TRounds.Middle(block, before, after);
            before = after;
        }

        return TRounds.Last(block, before, Vector128.LoadUnsafe(ref keys, rounds * BlockSize));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Eight(
        ref byte keys, nuint rounds,
        ref Vector128<byte> b0, ref Vector128<byte> b1, ref Vector128<byte> b2, ref Vector128<byte> b3,
        ref Vector128<byte> b4, ref Vector128<byte> b5, ref Vector128<byte> b6, ref Vector128<byte> b7)
    {
        Vector128<byte> before = Vector128.LoadUnsafe(ref keys);
        b0 = TRounds.Start(b0, before);
        b1 = TRounds.Start(b1, before);
        b2 = TRounds.Start(b2, before);
        b3 = TRounds.Start(b3, before);
        b4 = TRounds.Start(b4, before);
        b5 = TRounds.Start(b5, before);
        b6 = TRounds.Start(b6, before);
        b7 = TRounds.Start(b7, before);
        for (nuint at = BlockSize; at < rounds * BlockSize; at += BlockSize)
        {
            Vector128<byte> after = Vector128.LoadUnsafe(ref keys, at);
            b0 = TRounds.Middle(b0, before, after);
            b1 = TRounds.Middle(b1, before, after);
            b2 = TRounds.Middle(b2, before, after);
            b3 = TRounds.Middle(b3, before, after);
            b4 = TRounds.Middle(b4, before, after);
            b5 = TRounds.Middle(b5, before, after);
            b6 = TRounds.Middle(b6, before, after);
            b7 = TRounds.Middle(b7, before, after);
            before = after;
        }

        Vector128<byte> last = Vector128.LoadUnsafe(ref keys, rounds * BlockSize);
        b0 = TRounds.Last(b0, before, last);
        b1 = TRounds.Last(b1, before, last);
        b2 = TRounds.Last(b2, before, last);
        b3 = TRounds.Last(b3, before, last);
        b4 = TRounds.Last(b4, before, last);
        b5 = TRounds.Last(b5, before, last);
        b6 = TRounds.Last(b6, before, last);
        b7 = TRounds.Last(b7, before, last);
    }
}
