using System.Buffers.Binary;

namespace VmCrypt.Core.Crypto;

/// <summary>XTS (IEEE 1619, whole blocks only) over any block cipher with 16-byte blocks.</summary>
internal sealed class XtsCipher(BlockCipher data, BlockCipher tweak, SectorIv iv, int sectorSize) : SectorCipher(iv, sectorSize)
{
    private const int BlockSize = 16;

    private protected override void EncryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target) =>
        Run(ivs, source, target, encrypt: true);

    private protected override void DecryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target) =>
        Run(ivs, source, target, encrypt: false);

    protected override void Dispose(bool disposing)
    {
        data.Dispose();
        tweak.Dispose();
        base.Dispose(disposing);
    }

    private void Run(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target, bool encrypt)
    {
        tweak.Encrypt(ivs, ivs);
        Span<byte> tweaks = stackalloc byte[source.Length];
        for (int at = 0; at < tweaks.Length; at += SectorSize, ivs = ivs[BlockSize..])
        {
            FillTweaks(ivs, tweaks.Slice(at, SectorSize));
        }

        source.CopyTo(target);
        XorSpan.Into(tweaks, target);
        if (encrypt)
        {
            data.Encrypt(target, target);
        }
        else
        {
            data.Decrypt(target, target);
        }

        XorSpan.Into(tweaks, target);
    }

    // Each tweak is the one before times x in GF(2^128), little-endian.
    private static void FillTweaks(ReadOnlySpan<byte> first, Span<byte> tweaks)
    {
        ulong low = BinaryPrimitives.ReadUInt64LittleEndian(first);
        ulong high = BinaryPrimitives.ReadUInt64LittleEndian(first[sizeof(ulong)..]);
        for (int at = 0; at < tweaks.Length; at += BlockSize)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(tweaks[at..], low);
            BinaryPrimitives.WriteUInt64LittleEndian(tweaks[(at + sizeof(ulong))..], high);
            ulong carry = (ulong)((long)high >> 63) & 0x87;
            high = (high << 1) | (low >> 63);
            low = (low << 1) ^ carry;
        }
    }
}
