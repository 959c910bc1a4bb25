using System.Buffers.Binary;
using System.Security.Cryptography;

namespace VmCrypt.Core.Crypto;

/// <summary>AES-XTS (IEEE 1619) on the platform's own AES, where the processor's instructions cannot be used directly.</summary>
internal sealed class PlatformAesXts : SectorCipher
{
    private readonly byte[] _key;
    private readonly ThreadLocal<(Aes Data, Aes Tweak)> _aes;

    public PlatformAesXts(ReadOnlySpan<byte> key, int sectorSize)
        : base(sectorSize)
    {
        _key = GC.AllocateArray<byte>(key.Length, pinned: true);
        key.CopyTo(_key);
        _aes = new(() => (Half(0), Half(_key.Length / 2)), trackAllValues: true);
    }

    public override void Encrypt(ulong sector, ReadOnlySpan<byte> source, Span<byte> target) => Run(sector, source, target, encrypt: true);

    public override void Decrypt(ulong sector, ReadOnlySpan<byte> source, Span<byte> target) => Run(sector, source, target, encrypt: false);

    protected override void Dispose(bool disposing)
    {
        foreach ((Aes data, Aes tweak) in _aes.Values)
        {
            data.Dispose();
            tweak.Dispose();
        }

        _aes.Dispose();
        CryptographicOperations.ZeroMemory(_key);
    }

    private Aes Half(int offset)
    {
        var aes = Aes.Create();
        aes.SetKey(_key.AsSpan(offset, _key.Length / 2));
        return aes;
    }

    private void Run(ulong sector, ReadOnlySpan<byte> source, Span<byte> target, bool encrypt)
    {
        (Aes data, Aes tweak) = _aes.Value;
        Span<byte> tweaks = stackalloc byte[4096];
        tweaks = tweaks[..SectorSize];
        for (int at = 0; at < source.Length; at += SectorSize, sector += (ulong)SectorSize / 512)
        {
            FillTweaks(tweak, sector, tweaks);
            Span<byte> block = target.Slice(at, SectorSize);
            source.Slice(at, SectorSize).CopyTo(block);
            Xor(tweaks, block);
            _ = encrypt
                ? data.EncryptEcb(block, block, PaddingMode.None)
                : data.DecryptEcb(block, block, PaddingMode.None);
            Xor(tweaks, block);
        }
    }

    private static void FillTweaks(Aes tweak, ulong sector, Span<byte> tweaks)
    {
        Span<byte> iv = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(iv, sector);
        iv[8..].Clear();
        tweak.EncryptEcb(iv, iv, PaddingMode.None);
        ulong low = BinaryPrimitives.ReadUInt64LittleEndian(iv);
        ulong high = BinaryPrimitives.ReadUInt64LittleEndian(iv[8..]);
        for (int at = 0; at < tweaks.Length; at += 16)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(tweaks[at..], low);
            BinaryPrimitives.WriteUInt64LittleEndian(tweaks[(at + 8)..], high);
            ulong carry = (ulong)((long)high >> 63) & 0x87;
            high = (high << 1) | (low >> 63);
            low = (low << 1) ^ carry;
        }
    }

    private static void Xor(ReadOnlySpan<byte> source, Span<byte> target)
    {
        for (int i = 0; i < target.Length; i++)
        {
            target[i] ^= source[i];
        }
    }
}
