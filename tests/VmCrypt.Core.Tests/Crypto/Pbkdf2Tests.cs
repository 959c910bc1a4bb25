using System.Text;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Crypto;

public sealed class Pbkdf2Tests
{
    // The fifth case of RFC 6070, with its parameters for the other hashes too (sha256: RFC 7914's authors; the rest: openssl kdf).
    [Theory]
    [InlineData(HashKind.Sha1, "3D2EEC4FE41C849B80C8D83662C0E44A8B291A964CF2F07038")]
    [InlineData(HashKind.Sha224, "056C4BA438DED91FC14E0594E6F52B87E1F3690C0DC0FBC057")]
    [InlineData(HashKind.Sha256, "348C89DBCBD32B2F32D814B8116E84CF2B17347EBC1800181C")]
    [InlineData(HashKind.Sha384, "819143AD66DF9A552559B9E131C52AE6C5C1B0EED18F4D283B")]
    [InlineData(HashKind.Sha512, "8C0511F4C6E597C6AC6315D8F0362E225F3C501495BA23B868")]
    [InlineData(HashKind.Ripemd160, "503B9A069633B261B2D3E4F21C5D0CAFEB3F5008AEC25ED214")]
    [InlineData(HashKind.Whirlpool, "B704488BCC9371A5FA3A7EB6E7555549A96EAE3D572C0D505E")]
    public void Derives_more_than_one_block(HashKind hash, string expected) =>
        Assert.Equal(expected, Derive(hash, "passwordPASSWORDpassword"u8, "saltSALTsaltSALTsaltSALTsaltSALTsalt"u8, 4096, 25));

    // RFC 7914, section 11.
    [Theory]
    [InlineData("passwd", "salt", 1, "55AC046E56E3089FEC1691C22544B605F94185216DDE0465E68B9D57C20DACBC49CA9CCCF179B645991664B39D77EF317C71B845B1E30BD509112041D3A19783")]
    [InlineData("Password", "NaCl", 80000, "4DDCD8F60B98BE21830CEE5EF22701F9641A4418D04C0414AEFF08876B34AB56A1D425A1225833549ADB841B51C9B3176A272BDEBBA1D078478F62B397F33C8D")]
    public void Agrees_with_RFC_7914(string passphrase, string salt, int iterations, string expected) =>
        Assert.Equal(expected, Derive(HashKind.Sha256, Encoding.ASCII.GetBytes(passphrase), Encoding.ASCII.GetBytes(salt), iterations, 64));

    // A passphrase longer than a hash block is hashed first. Expected: SHA-256 over 150 bytes of openssl kdf, 133 bytes of 0xC3 as passphrase.
    [Theory]
    [InlineData(HashKind.Sha1, "D9AA417C3DBB32A469EDF357D49FEF51E1C86D44541EEE61CD6B13DE4D6EE9D5")]
    [InlineData(HashKind.Sha224, "B939D4F7D0FDE7797857C5F1C7FEB92386820839C0D9027EA752EC2F7DBFAEEB")]
    [InlineData(HashKind.Sha512, "E1CC1D79A4A9721ED041F7D5AFB3BA9FFD7EEEE3022A7449001044A1043D34A8")]
    [InlineData(HashKind.Ripemd160, "48C6E68632B94710B351F6E8DFE9FE6E68F18DFEE1AD748FF12D2C3BC0A6D173")]
    [InlineData(HashKind.Whirlpool, "B0EDC4AE49E21DABADA0BABBE7D0BD59A7064B6BF5001716592BAECEC7FDF115")]
    public void Hashes_long_passphrases(HashKind hash, string expected)
    {
        byte[] passphrase = [.. Enumerable.Repeat((byte)0xC3, 133)];
        byte[] key = new byte[150];
        Pbkdf2.Derive(hash, passphrase, [0x00, 0xFF], 1, key);

        Span<byte> digest = stackalloc byte[32];
        Digest.Hash(HashKind.Sha256, key, digest);
        Assert.Equal(expected, Convert.ToHexString(digest));
    }

    [Theory]
    [InlineData(0L)]
    [InlineData(-1L)]
    [InlineData(0x1_0000_0000L)]
    public void Refuses_impossible_iteration_counts(long iterations)
    {
        var error = Assert.Throws<UnsupportedFeatureException>(() => Derive(HashKind.Sha224, "x"u8, "y"u8, iterations, 20));
        Assert.Equal(ErrorIds.IterationsUnsupported, error.ErrorId);
    }

    private static string Derive(HashKind hash, ReadOnlySpan<byte> passphrase, ReadOnlySpan<byte> salt, long iterations, int length)
    {
        byte[] key = new byte[length];
        Pbkdf2.Derive(hash, passphrase, salt, iterations, key);
        return Convert.ToHexString(key);
    }
}
