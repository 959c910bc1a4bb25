using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace VmCrypt.Core.Crypto.Hardware;

/// <summary>AES-XTS (IEEE 1619) by the processor's own instructions.</summary>
/// <remarks>
/// Data is cut into runs of 512 bytes, the shortest sector, and eight runs go side by side, one block of each at a time:
/// then neither the blocks nor the tweaks of one step wait for each other, and the tweaks never leave the registers.
/// Eight blocks of one run would wait for a chain of eight doublings; that cost a tenth of the speed where it was measured.
/// </remarks>
internal sealed class AesXts<TEncryption, TDecryption> : SectorCipher
    where TEncryption : IAesRounds
    where TDecryption : IAesRounds
{
    private const nuint AesBlock = 16;
    private const nuint RunSize = 512;

    private readonly AesKeySchedule _data;
    private readonly HardwareAes<TEncryption, TDecryption> _tweak;

    public AesXts(ReadOnlySpan<byte> key, SectorIv iv, int sectorSize)
        : base(iv, sectorSize)
    {
        _data = AesKeySchedule.Create<TEncryption, TDecryption>(key[..(key.Length / 2)]);
        _tweak = new HardwareAes<TEncryption, TDecryption>(key[(key.Length / 2)..]);
    }

    private protected override void EncryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target) =>
        Run<TEncryption>(ref _data.Encryption, ivs, source, target);

    private protected override void DecryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target) =>
        Run<TDecryption>(ref _data.Decryption, ivs, source, target);

    protected override void Dispose(bool disposing)
    {
        _data.Dispose();
        _tweak.Dispose();
        base.Dispose(disposing);
    }

    private void Run<TRounds>(ref byte keys, Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target)
        where TRounds : IAesRounds
    {
        _tweak.Encrypt(ivs, ivs);
        int runsPerSector = SectorSize / (int)RunSize;
        Span<byte> tweaks = runsPerSector == 1 ? ivs : stackalloc byte[ivs.Length * runsPerSector];
        if (runsPerSector > 1)
        {
            SpreadOverRuns(ivs, runsPerSector, tweaks);
        }

        ref byte tweak = ref MemoryMarshal.GetReference(tweaks);
        ref byte from = ref MemoryMarshal.GetReference(source);
        ref byte to = ref MemoryMarshal.GetReference(target);
        nuint size = (nuint)source.Length;
        nuint at = 0;
        for (; at + (8 * RunSize) <= size; at += 8 * RunSize, tweak = ref Unsafe.Add(ref tweak, 8 * AesBlock))
        {
            EightRuns<TRounds>(ref keys, _data.Rounds, ref tweak, ref Unsafe.Add(ref from, at), ref Unsafe.Add(ref to, at));
        }

        for (; at < size; at += RunSize, tweak = ref Unsafe.Add(ref tweak, AesBlock))
        {
            OneRun<TRounds>(ref keys, _data.Rounds, ref tweak, ref Unsafe.Add(ref from, at), ref Unsafe.Add(ref to, at));
        }
    }

    // The first tweak of each run out of the first of each sector: the next run begins 32 blocks on, at the tweak times x^32.
    private static void SpreadOverRuns(ReadOnlySpan<byte> ivs, int runsPerSector, Span<byte> tweaks)
    {
        for (; !ivs.IsEmpty; ivs = ivs[(int)AesBlock..])
        {
            UInt128 tweak = BinaryPrimitives.ReadUInt128LittleEndian(ivs);
            for (int run = 0; run < runsPerSector; run++, tweaks = tweaks[(int)AesBlock..])
            {
                BinaryPrimitives.WriteUInt128LittleEndian(tweaks, tweak);
                ulong carry = (ulong)(tweak >> 96);
                tweak = (tweak << 32) ^ (carry ^ (carry << 1) ^ (carry << 2) ^ (carry << 7));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void EightRuns<TRounds>(ref byte keys, nuint rounds, ref byte tweaks, ref byte from, ref byte to)
        where TRounds : IAesRounds
    {
        Vector128<byte> t0 = Vector128.LoadUnsafe(ref tweaks);
        Vector128<byte> t1 = Vector128.LoadUnsafe(ref tweaks, 1 * AesBlock);
        Vector128<byte> t2 = Vector128.LoadUnsafe(ref tweaks, 2 * AesBlock);
        Vector128<byte> t3 = Vector128.LoadUnsafe(ref tweaks, 3 * AesBlock);
        Vector128<byte> t4 = Vector128.LoadUnsafe(ref tweaks, 4 * AesBlock);
        Vector128<byte> t5 = Vector128.LoadUnsafe(ref tweaks, 5 * AesBlock);
        Vector128<byte> t6 = Vector128.LoadUnsafe(ref tweaks, 6 * AesBlock);
        Vector128<byte> t7 = Vector128.LoadUnsafe(ref tweaks, 7 * AesBlock);
        for (nuint at = 0; at < RunSize; at += AesBlock)
        {
            Vector128<byte> b0 = Vector128.LoadUnsafe(ref from, at) ^ t0;
            Vector128<byte> b1 = Vector128.LoadUnsafe(ref from, at + (1 * RunSize)) ^ t1;
            Vector128<byte> b2 = Vector128.LoadUnsafe(ref from, at + (2 * RunSize)) ^ t2;
            Vector128<byte> b3 = Vector128.LoadUnsafe(ref from, at + (3 * RunSize)) ^ t3;
            Vector128<byte> b4 = Vector128.LoadUnsafe(ref from, at + (4 * RunSize)) ^ t4;
            Vector128<byte> b5 = Vector128.LoadUnsafe(ref from, at + (5 * RunSize)) ^ t5;
            Vector128<byte> b6 = Vector128.LoadUnsafe(ref from, at + (6 * RunSize)) ^ t6;
            Vector128<byte> b7 = Vector128.LoadUnsafe(ref from, at + (7 * RunSize)) ^ t7;
            AesPipeline<TRounds>.Eight(ref keys, rounds, ref b0, ref b1, ref b2, ref b3, ref b4, ref b5, ref b6, ref b7);
            Finish(b0, ref t0, ref to, at);
            Finish(b1, ref t1, ref to, at + (1 * RunSize));
            Finish(b2, ref t2, ref to, at + (2 * RunSize));
            Finish(b3, ref t3, ref to, at + (3 * RunSize));
            Finish(b4, ref t4, ref to, at + (4 * RunSize));
            Finish(b5, ref t5, ref to, at + (5 * RunSize));
            Finish(b6, ref t6, ref to, at + (6 * RunSize));
            Finish(b7, ref t7, ref to, at + (7 * RunSize));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneRun<TRounds>(ref byte keys, nuint rounds, ref byte tweaks, ref byte from, ref byte to)
        where TRounds : IAesRounds
    {
        Vector128<byte> tweak = Vector128.LoadUnsafe(ref tweaks);
        for (nuint at = 0; at < RunSize; at += AesBlock)
        {
            Vector128<byte> block = AesPipeline<TRounds>.One(ref keys, rounds, Vector128.LoadUnsafe(ref from, at) ^ tweak);
            Finish(block, ref tweak, ref to, at);
        }
    }

    // The next tweak is this one times x in GF(2^128), little-endian: both halves shift by one, their top bits come back as 1 and 0x87.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(Vector128<byte> block, ref Vector128<byte> tweak, ref byte to, nuint at)
    {
        (block ^ tweak).StoreUnsafe(ref to, at);
        Vector128<int> tops = Vector128.Shuffle(tweak.AsInt32(), Vector128.Create(3, 0, 1, 0)) >> 31;
        Vector128<ulong> shifted = tweak.AsUInt64() + tweak.AsUInt64();
        tweak = shifted.AsByte() ^ (tops & Vector128.Create(0x87, 0, 1, 0)).AsByte();
    }
}
