using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace VmCrypt.Core.Crypto.Hardware;

/// <summary>AES by the processor's own instructions, for IVs and for the modes that have no loop of their own.</summary>
internal sealed class HardwareAes<TEncryption, TDecryption>(ReadOnlySpan<byte> key) : BlockCipher(AesBlock)
    where TEncryption : IAesRounds
    where TDecryption : IAesRounds
{
    private const int AesBlock = 16;
    private const int Wide = 8 * AesBlock;

    private readonly AesKeySchedule _keys = AesKeySchedule.Create<TEncryption, TDecryption>(key);

    public override void Encrypt(ReadOnlySpan<byte> source, Span<byte> target) =>
        Run<TEncryption>(ref _keys.Encryption, _keys.Rounds, source, target);

    public override void Decrypt(ReadOnlySpan<byte> source, Span<byte> target) =>
        Run<TDecryption>(ref _keys.Decryption, _keys.Rounds, source, target);

    public override void Dispose() => _keys.Dispose();

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TRounds>(ref byte keys, nuint rounds, ReadOnlySpan<byte> source, Span<byte> target)
        where TRounds : IAesRounds
    {
        target = target[..source.Length];
        for (; source.Length >= Wide; source = source[Wide..], target = target[Wide..])
        {
            ReadOnlySpan<Vector128<byte>> from = MemoryMarshal.Cast<byte, Vector128<byte>>(source);
            (Vector128<byte> b0, Vector128<byte> b1, Vector128<byte> b2, Vector128<byte> b3) = (from[0], from[1], from[2], from[3]);
            (Vector128<byte> b4, Vector128<byte> b5, Vector128<byte> b6, Vector128<byte> b7) = (from[4], from[5], from[6], from[7]);
            AesPipeline<TRounds>.Eight(ref keys, rounds, ref b0, ref b1, ref b2, ref b3, ref b4, ref b5, ref b6, ref b7);
            Span<Vector128<byte>> to = MemoryMarshal.Cast<byte, Vector128<byte>>(target);
            (to[0], to[1], to[2], to[3], to[4], to[5], to[6], to[7]) = (b0, b1, b2, b3, b4, b5, b6, b7);
        }

        for (; !source.IsEmpty; source = source[AesBlock..], target = target[AesBlock..])
        {
            AesPipeline<TRounds>.One(ref keys, rounds, Vector128.Create(source[..AesBlock])).CopyTo(target);
        }
    }
}
