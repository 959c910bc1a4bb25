using System.Buffers.Binary;
using System.Security.Cryptography;
using VmCrypt.Core.Crypto;
using CipherMode = VmCrypt.Core.Crypto.CipherMode;

namespace VmCrypt.Interop.Tests.Crypto;

/// <summary>Random keys, sectors and lengths against libgcrypt, sector by sector, over every way to compute AES.</summary>
public sealed class LibGcryptTests
{
    private static readonly string[] s_specs =
    [
        "aes-xts-plain64", "aes-xts-plain", "aes-cbc-essiv:sha256", "aes-cbc-plain64", "aes-cbc-plain64be", "aes-ctr-plain64", "aes-ecb",
        "serpent-xts-plain64", "serpent-cbc-essiv:sha256", "serpent-ctr-plain64",
        "twofish-xts-plain64", "twofish-cbc-plain64", "twofish-ctr-plain",
        "cast5-cbc-plain64", "cast5-cbc-plain", "cast5-ctr-plain64", "cast5-ecb",
    ];

    public static TheoryData<string, AesPath> Matrix
    {
        get
        {
            var data = new TheoryData<string, AesPath>();
            foreach (string spec in s_specs)
            {
                foreach (AesPath path in spec.StartsWith("aes", StringComparison.Ordinal) ? AesPaths.Available : [AesPaths.Best])
                {
                    data.Add(spec, path);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Matrix))]
    public void Sectors_are_encrypted_as_libgcrypt_does(string text, AesPath path)
    {
        LibGcrypt.Require();
        var spec = CipherSpec.Parse(text);

        // libgcrypt has no Twofish with 192 bits.
        foreach (int keySize in spec.KeySizes.Where(size => spec.Algorithm != CipherAlgorithm.Twofish || size % 24 != 0))
        {
            int sectorSize = 512 << Random.Shared.Next(4);
            byte[] key = RandomNumberGenerator.GetBytes(keySize);
            byte[] plain = RandomNumberGenerator.GetBytes(sectorSize * Random.Shared.Next(1, 100));
            ulong first = (ulong)Random.Shared.NextInt64(long.MinValue, long.MaxValue);
            using var cipher = SectorCipher.Create(spec, key, sectorSize, path);

            byte[] encrypted = new byte[plain.Length];
            cipher.Encrypt(first, plain, encrypted);

            for (int at = 0; at < plain.Length; at += sectorSize)
            {
                byte[] iv = IvOf(spec, key, unchecked(first + ((ulong)at / 512)));
                Assert.Equal(LibGcrypt.Encrypt(spec, key, iv, plain[at..(at + sectorSize)]), encrypted.AsSpan(at, sectorSize));
            }

            cipher.Decrypt(first, encrypted, encrypted);
            Assert.Equal(plain, encrypted);
        }
    }

    private static byte[] IvOf(CipherSpec spec, byte[] key, ulong sector)
    {
        byte[] iv = new byte[spec.BlockSize];
        switch (spec.Iv)
        {
            case IvGenerator.Plain:
                BinaryPrimitives.WriteUInt32LittleEndian(iv, unchecked((uint)sector));
                break;
            case IvGenerator.Plain64BigEndian:
                BinaryPrimitives.WriteUInt64BigEndian(iv.AsSpan(iv.Length - 8), sector);
                break;
            default:
                BinaryPrimitives.WriteUInt64LittleEndian(iv, sector);
                break;
        }

        return spec.Iv == IvGenerator.Essiv
            ? LibGcrypt.Encrypt(spec with { Mode = CipherMode.Ecb, Iv = IvGenerator.None, IvHash = null }, SHA256.HashData(key), [], iv)
            : iv;
    }
}
