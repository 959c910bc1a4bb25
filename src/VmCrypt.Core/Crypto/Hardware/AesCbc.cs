using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace VmCrypt.Core.Crypto.Hardware;

/// <summary>AES-CBC within each sector by the processor's own instructions: eight sectors side by side to encrypt, eight blocks to decrypt.</summary>
internal sealed class AesCbc<TEncryption, TDecryption>(ReadOnlySpan<byte> key, SectorIv iv, int sectorSize) : SectorCipher(iv, sectorSize)
    where TEncryption : IAesRounds
    where TDecryption : IAesRounds
{
    private const nuint AesBlock = 16;

    private readonly AesKeySchedule _keys = AesKeySchedule.Create<TEncryption, TDecryption>(key);

    private protected override void EncryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target)
    {
        ref byte chain = ref MemoryMarshal.GetReference(ivs);
        ref byte from = ref MemoryMarshal.GetReference(source);
        ref byte to = ref MemoryMarshal.GetReference(target);
        nuint sector = (nuint)SectorSize;
        nuint size = (nuint)source.Length;
        nuint at = 0;
        for (; at + (8 * sector) <= size; at += 8 * sector, chain = ref Unsafe.Add(ref chain, 8 * AesBlock))
        {
            EncryptEight(ref _keys.Encryption, _keys.Rounds, ref chain, ref Unsafe.Add(ref from, at), ref Unsafe.Add(ref to, at), sector);
        }

        for (; at < size; at += sector, chain = ref Unsafe.Add(ref chain, AesBlock))
        {
            EncryptOne(ref _keys.Encryption, _keys.Rounds, ref chain, ref Unsafe.Add(ref from, at), ref Unsafe.Add(ref to, at), sector);
        }
    }

    private protected override void DecryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target)
    {
        ref byte chain = ref MemoryMarshal.GetReference(ivs);
        ref byte from = ref MemoryMarshal.GetReference(source);
        ref byte to = ref MemoryMarshal.GetReference(target);
        nuint sector = (nuint)SectorSize;
        for (nuint at = 0; at < (nuint)source.Length; at += sector, chain = ref Unsafe.Add(ref chain, AesBlock))
        {
            Decrypt(ref _keys.Decryption, _keys.Rounds, ref chain, ref Unsafe.Add(ref from, at), ref Unsafe.Add(ref to, at), sector);
        }
    }

    protected override void Dispose(bool disposing)
    {
        _keys.Dispose();
        base.Dispose(disposing);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void EncryptEight(ref byte keys, nuint rounds, ref byte ivs, ref byte from, ref byte to, nuint sector)
    {
        Vector128<byte> b0 = Vector128.LoadUnsafe(ref ivs);
        Vector128<byte> b1 = Vector128.LoadUnsafe(ref ivs, 1 * AesBlock);
        Vector128<byte> b2 = Vector128.LoadUnsafe(ref ivs, 2 * AesBlock);
        Vector128<byte> b3 = Vector128.LoadUnsafe(ref ivs, 3 * AesBlock);
        Vector128<byte> b4 = Vector128.LoadUnsafe(ref ivs, 4 * AesBlock);
        Vector128<byte> b5 = Vector128.LoadUnsafe(ref ivs, 5 * AesBlock);
        Vector128<byte> b6 = Vector128.LoadUnsafe(ref ivs, 6 * AesBlock);
        Vector128<byte> b7 = Vector128.LoadUnsafe(ref ivs, 7 * AesBlock);
        for (nuint at = 0; at < sector; at += AesBlock)
        {
            b0 ^= Vector128.LoadUnsafe(ref from, at);
            b1 ^= Vector128.LoadUnsafe(ref from, at + (1 * sector));
            b2 ^= Vector128.LoadUnsafe(ref from, at + (2 * sector));
            b3 ^= Vector128.LoadUnsafe(ref from, at + (3 * sector));
            b4 ^= Vector128.LoadUnsafe(ref from, at + (4 * sector));
            b5 ^= Vector128.LoadUnsafe(ref from, at + (5 * sector));
            b6 ^= Vector128.LoadUnsafe(ref from, at + (6 * sector));
            b7 ^= Vector128.LoadUnsafe(ref from, at + (7 * sector));
            AesPipeline<TEncryption>.Eight(ref keys, rounds, ref b0, ref b1, ref b2, ref b3, ref b4, ref b5, ref b6, ref b7);
            b0.StoreUnsafe(ref to, at);
            b1.StoreUnsafe(ref to, at + (1 * sector));
            b2.StoreUnsafe(ref to, at + (2 * sector));
            b3.StoreUnsafe(ref to, at + (3 * sector));
            b4.StoreUnsafe(ref to, at + (4 * sector));
            b5.StoreUnsafe(ref to, at + (5 * sector));
            b6.StoreUnsafe(ref to, at + (6 * sector));
            b7.StoreUnsafe(ref to, at + (7 * sector));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void EncryptOne(ref byte keys, nuint rounds, ref byte iv, ref byte from, ref byte to, nuint sector)
    {
        Vector128<byte> block = Vector128.LoadUnsafe(ref iv);
        for (nuint at = 0; at < sector; at += AesBlock)
        {
            block = AesPipeline<TEncryption>.One(ref keys, rounds, block ^ Vector128.LoadUnsafe(ref from, at));
            block.StoreUnsafe(ref to, at);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Decrypt(ref byte keys, nuint rounds, ref byte iv, ref byte from, ref byte to, nuint sector)
    {
        Vector128<byte> before = Vector128.LoadUnsafe(ref iv);
        for (nuint at = 0; at < sector; at += 8 * AesBlock)
        {
            Vector128<byte> b0 = Vector128.LoadUnsafe(ref from, at);
            Vector128<byte> b1 = Vector128.LoadUnsafe(ref from, at + (1 * AesBlock));
            Vector128<byte> b2 = Vector128.LoadUnsafe(ref from, at + (2 * AesBlock));
            Vector128<byte> b3 = Vector128.LoadUnsafe(ref from, at + (3 * AesBlock));
            Vector128<byte> b4 = Vector128.LoadUnsafe(ref from, at + (4 * AesBlock));
            Vector128<byte> b5 = Vector128.LoadUnsafe(ref from, at + (5 * AesBlock));
            Vector128<byte> b6 = Vector128.LoadUnsafe(ref from, at + (6 * AesBlock));
            Vector128<byte> b7 = Vector128.LoadUnsafe(ref from, at + (7 * AesBlock));
            Vector128<byte> last = b7;
            AesPipeline<TDecryption>.Eight(ref keys, rounds, ref b0, ref b1, ref b2, ref b3, ref b4, ref b5, ref b6, ref b7);

            // From the end, because each block needs the ciphertext before it, which may be what its neighbour overwrites.
            (b7 ^ Vector128.LoadUnsafe(ref from, at + (6 * AesBlock))).StoreUnsafe(ref to, at + (7 * AesBlock));
            (b6 ^ Vector128.LoadUnsafe(ref from, at + (5 * AesBlock))).StoreUnsafe(ref to, at + (6 * AesBlock));
            (b5 ^ Vector128.LoadUnsafe(ref from, at + (4 * AesBlock))).StoreUnsafe(ref to, at + (5 * AesBlock));
            (b4 ^ Vector128.LoadUnsafe(ref from, at + (3 * AesBlock))).StoreUnsafe(ref to, at + (4 * AesBlock));
            (b3 ^ Vector128.LoadUnsafe(ref from, at + (2 * AesBlock))).StoreUnsafe(ref to, at + (3 * AesBlock));
            (b2 ^ Vector128.LoadUnsafe(ref from, at + (1 * AesBlock))).StoreUnsafe(ref to, at + (2 * AesBlock));
            (b1 ^ Vector128.LoadUnsafe(ref from, at)).StoreUnsafe(ref to, at + (1 * AesBlock));
            (b0 ^ before).StoreUnsafe(ref to, at);
            before = last;
        }
    }
}
