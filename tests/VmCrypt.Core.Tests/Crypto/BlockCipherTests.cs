using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Tests.Crypto;

public sealed class BlockCipherTests
{
    public static TheoryData<AesPath, string, string> Fips197 => Vectors.OverAesPaths(
        ("000102030405060708090A0B0C0D0E0F", "69C4E0D86A7B0430D8CDB78070B4C55A"),
        ("000102030405060708090A0B0C0D0E0F1011121314151617", "DDA97CA4864CDFE06EAF70A0EC0D7191"),
        ("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", "8EA2B7CA516745BFEAFC49904B496089"));

    // FIPS 197, appendix C.
    [Theory]
    [MemberData(nameof(Fips197))]
    public void Aes_agrees_with_FIPS_197(AesPath path, string key, string expected) =>
        Check(CipherAlgorithm.Aes, key, "00112233445566778899AABBCCDDEEFF", expected, path);

    // The Twofish paper, appendix A: one row per key size.
    [Theory]
    [InlineData("00000000000000000000000000000000", "00000000000000000000000000000000", "9F589F5CF6122C32B6BFEC2F2AE8C35A")]
    [InlineData("0123456789ABCDEFFEDCBA98765432100011223344556677", "00000000000000000000000000000000", "CFD1D2E5A9BE9CDF501F13B892BD2248")]
    [InlineData("0123456789ABCDEFFEDCBA987654321000112233445566778899AABBCCDDEEFF", "00000000000000000000000000000000", "37527BE0052334B89F0CFCCAE87CFA20")]
    public void Twofish_agrees_with_its_paper(string key, string plain, string expected) =>
        Check(CipherAlgorithm.Twofish, key, plain, expected, AesPath.Platform);

    // The byte order of NESSIE, Linux, libgcrypt and nettle; the AES submission's own tables have it reversed.
    [Theory]
    [InlineData("000102030405060708090A0B0C0D0E0F", "000102030405060708090A0B0C0D0E0F", "4C7D8A328072A22C823E4A1F3ACDA16D")]
    [InlineData("80000000000000000000000000000000", "00000000000000000000000000000000", "264E5481EFF42A4606ABDA06C0BFDA3D")]
    [InlineData("800000000000000000000000000000000000000000000000", "00000000000000000000000000000000", "9E274EAD9B737BB21EFCFCA548602689")]
    [InlineData("8000000000000000000000000000000000000000000000000000000000000000", "00000000000000000000000000000000", "A223AA1288463C0E2BE38EBD825616C0")]
    public void Serpent_agrees_with_NESSIE(string key, string plain, string expected) =>
        Check(CipherAlgorithm.Serpent, key, plain, expected, AesPath.Platform);

    // RFC 2144, appendix B.1.
    [Fact]
    public void Cast5_agrees_with_RFC_2144() =>
        Check(CipherAlgorithm.Cast5, "0123456712345678234567893456789A", "0123456789ABCDEF", "238B4FE5847E44B2", AesPath.Platform);

    // Every count of blocks around the widths that the fast paths work in, against the block by itself.
    [Theory]
    [MemberData(nameof(Vectors.AesPaths), MemberType = typeof(Vectors))]
    public void Many_blocks_equal_each_alone(AesPath path)
    {
        using var cipher = BlockCipher.Create(CipherAlgorithm.Aes, Vectors.Random(32), path);
        for (int blocks = 0; blocks <= 35; blocks++)
        {
            byte[] plain = Vectors.Random(blocks * 16);
            byte[] together = new byte[plain.Length];
            byte[] alone = new byte[plain.Length];
            cipher.Encrypt(plain, together);
            for (int at = 0; at < plain.Length; at += 16)
            {
                cipher.Encrypt(plain.AsSpan(at, 16), alone.AsSpan(at, 16));
            }

            Assert.Equal(alone, together);
            cipher.Decrypt(together, together);
            Assert.Equal(plain, together);
        }
    }

    private static void Check(CipherAlgorithm algorithm, string key, string plain, string expected, AesPath path)
    {
        using var cipher = BlockCipher.Create(algorithm, Convert.FromHexString(key), path);
        byte[] block = Convert.FromHexString(plain);

        cipher.Encrypt(block, block);
        Assert.Equal(expected, Convert.ToHexString(block));

        cipher.Decrypt(block, block);
        Assert.Equal(plain, Convert.ToHexString(block));
    }
}
