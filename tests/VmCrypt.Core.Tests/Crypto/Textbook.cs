using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using VmCrypt.Core.Crypto;
using CipherMode = VmCrypt.Core.Crypto.CipherMode;

namespace VmCrypt.Core.Tests.Crypto;

/// <summary>The modes as their definitions have them, block by block over .NET's AES, to compare the fast ones with.</summary>
internal static class Textbook
{
    private const int BlockSize = 16;

    public static byte[] Encrypt(CipherSpec spec, byte[] key, ulong firstSector, int sectorSize, ReadOnlySpan<byte> plain)
    {
        byte[] encrypted = new byte[plain.Length];
        for (int at = 0; at < plain.Length; at += sectorSize)
        {
            byte[] iv = IvOf(spec, key, firstSector + ((ulong)at / 512));
            byte[] sector = plain.Slice(at, sectorSize).ToArray();
            byte[] result = spec.Mode switch
            {
                CipherMode.Xts => Xts(key, iv, sector),
                CipherMode.Cbc => AesOf(key).EncryptCbc(sector, iv, PaddingMode.None),
                CipherMode.Ctr => Ctr(key, iv, sector),
                _ => AesOf(key).EncryptEcb(sector, PaddingMode.None),
            };
            result.CopyTo(encrypted, at);
        }

        return encrypted;
    }

    private static byte[] IvOf(CipherSpec spec, byte[] key, ulong sector)
    {
        byte[] iv = new byte[BlockSize];
        switch (spec.Iv)
        {
            case IvGenerator.Plain:
                BinaryPrimitives.WriteUInt32LittleEndian(iv, unchecked((uint)sector));
                return iv;
            case IvGenerator.Plain64BigEndian:
                BinaryPrimitives.WriteUInt64BigEndian(iv.AsSpan(8), sector);
                return iv;
            case IvGenerator.Essiv:
                BinaryPrimitives.WriteUInt64LittleEndian(iv, sector);
                return AesOf(SHA256.HashData(key)).EncryptEcb(iv, PaddingMode.None);
            default:
                BinaryPrimitives.WriteUInt64LittleEndian(iv, sector);
                return iv;
        }
    }

    private static byte[] Xts(byte[] key, byte[] iv, byte[] sector)
    {
        Aes data = AesOf(key[..(key.Length / 2)]);
        var tweak = new BigInteger(AesOf(key[(key.Length / 2)..]).EncryptEcb(iv, PaddingMode.None), isUnsigned: true);
        for (int at = 0; at < sector.Length; at += BlockSize)
        {
            byte[] mask = new byte[BlockSize];
            tweak.TryWriteBytes(mask, out _, isUnsigned: true);
            Xor(mask, sector.AsSpan(at, BlockSize));
            data.EncryptEcb(sector.AsSpan(at, BlockSize), PaddingMode.None).CopyTo(sector, at);
            Xor(mask, sector.AsSpan(at, BlockSize));
            tweak <<= 1;
            if (tweak >> 128 != 0)
            {
                tweak ^= (BigInteger.One << 128) | 0x87;
            }
        }

        return sector;
    }

    private static byte[] Ctr(byte[] key, byte[] iv, byte[] sector)
    {
        Aes data = AesOf(key);
        var counter = new BigInteger(iv, isUnsigned: true, isBigEndian: true);
        for (int at = 0; at < sector.Length; at += BlockSize, counter = (counter + 1) % (BigInteger.One << 128))
        {
            byte[] number = counter.ToByteArray(isUnsigned: true, isBigEndian: true);
            byte[] block = [.. new byte[BlockSize - number.Length], .. number];
            Xor(data.EncryptEcb(block, PaddingMode.None), sector.AsSpan(at, BlockSize));
        }

        return sector;
    }

    private static Aes AesOf(byte[] key)
    {
        var aes = Aes.Create();
        aes.Key = key;
        return aes;
    }

    private static void Xor(ReadOnlySpan<byte> source, Span<byte> target)
    {
        for (int i = 0; i < target.Length; i++)
        {
            target[i] ^= source[i];
        }
    }
}
