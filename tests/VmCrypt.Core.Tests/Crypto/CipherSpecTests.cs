using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Crypto;

public sealed class CipherSpecTests
{
    [Theory]
    [InlineData("aes-xts-plain64")]
    [InlineData("aes-xts-plain")]
    [InlineData("aes-cbc-plain64be")]
    [InlineData("aes-cbc-essiv:sha256")]
    [InlineData("twofish-ctr-plain64")]
    [InlineData("serpent-xts-plain64")]
    [InlineData("cast5-ecb")]
    [InlineData("aes-cbc-essiv:ripemd160")]
    public void Text_survives_the_round_trip(string text) => Assert.Equal(text, CipherSpec.Parse(text).ToString());

    [Theory]
    [InlineData("")]
    [InlineData("aes")]
    [InlineData("-xts-plain64")]
    [InlineData("aes-gcm-random")]
    [InlineData("des-cbc-plain64")]
    [InlineData("aes-cbc-essiv")]
    [InlineData("aes-cbc-essiv:md5")]
    [InlineData("aes-cbc-plain64be:sha256")]
    [InlineData("0-xts-plain64")]
    [InlineData("aes-xts-plain64-more")]
    public void Refuses_what_is_no_cipher(string text)
    {
        var error = Assert.Throws<InvalidInputException>(() => CipherSpec.Parse(text));
        Assert.Equal(ErrorIds.CipherSpecInvalid, error.ErrorId);
    }

    [Theory]
    [InlineData("cast5-xts-plain64", 32)]
    [InlineData("aes-cbc", 32)]
    [InlineData("aes-xts", 64)]
    [InlineData("aes-cbc-essiv:sha1", 32)]
    [InlineData("aes-cbc-essiv:sha512", 32)]
    [InlineData("cast5-cbc-essiv:sha256", 16)]
    public void Refuses_combinations_that_cannot_work(string text, int keySize)
    {
        var error = Assert.Throws<UnsupportedFeatureException>(() => SectorCipher.Create(CipherSpec.Parse(text), new byte[keySize]));
        Assert.Equal(ErrorIds.CipherUnsupported, error.ErrorId);
    }

    [Theory]
    [InlineData("aes-xts-plain64", new[] { 32, 48, 64 })]
    [InlineData("serpent-cbc-plain64", new[] { 16, 24, 32 })]
    [InlineData("cast5-cbc-plain64", new[] { 16 })]
    public void Takes_exactly_its_key_sizes(string text, int[] allowed)
    {
        var spec = CipherSpec.Parse(text);
        Assert.Equal(allowed, spec.KeySizes);
        for (int size = 0; size <= 65; size++)
        {
            if (allowed.Contains(size))
            {
                SectorCipher.Create(spec, new byte[size]).Dispose();
            }
            else
            {
                var error = Assert.Throws<InvalidInputException>(() => SectorCipher.Create(spec, new byte[size]));
                Assert.Equal(ErrorIds.KeySizeInvalid, error.ErrorId);
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(256)]
    [InlineData(513)]
    [InlineData(1536)]
    [InlineData(8192)]
    public void Refuses_other_sector_sizes(int sectorSize)
    {
        var error = Assert.Throws<InvalidInputException>(() => SectorCipher.Create(CipherSpec.Default, new byte[64], sectorSize));
        Assert.Equal(ErrorIds.SectorSizeInvalid, error.ErrorId);
    }
}
