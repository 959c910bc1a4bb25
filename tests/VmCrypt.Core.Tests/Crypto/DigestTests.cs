using System.Text;
using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Tests.Crypto;

public sealed class DigestTests
{
    [Theory]
    [InlineData(HashKind.Sha1, "", "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709")]
    [InlineData(HashKind.Sha1, "abc", "A9993E364706816ABA3E25717850C26C9CD0D89D")]
    [InlineData(HashKind.Sha224, "", "D14A028C2A3A2BC9476102BB288234C415A2B01F828EA62AC5B3E42F")]
    [InlineData(HashKind.Sha224, "abc", "23097D223405D8228642A477BDA255B32AADBCE4BDA0B3F7E36C9DA7")]
    [InlineData(HashKind.Sha256, "abc", "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD")]
    [InlineData(HashKind.Sha384, "abc", "CB00753F45A35E8BB5A03D699AC65007272C32AB0EDED1631A8B605A43FF5BED8086072BA1E7CC2358BAECA134C825A7")]
    [InlineData(HashKind.Sha512, "abc", "DDAF35A193617ABACC417349AE20413112E6FA4E89A97EA20A9EEEE64B55D39A2192992A274FC1A836BA3C23A3FEEBBD454D4423643CE80E2A9AC94FA54CA49F")]
    [InlineData(HashKind.Ripemd160, "", "9C1185A5C5E9FC54612808977EE8F548B2258D31")]
    [InlineData(HashKind.Ripemd160, "abc", "8EB208F7E05D987A9B044A8E98C6B087F15A0BFC")]
    [InlineData(HashKind.Whirlpool, "", "19FA61D75522A4669B44E39C1D2E1726C530232130D407F89AFEE0964997F7A73E83BE698B288FEBCF88E3E03C4F0757EA8964E59B63D93708B138CC42A66EB3")]
    [InlineData(HashKind.Whirlpool, "abc", "4E2448A4C6F486BB16B6562C73B4020BF3043E3A731BCE721AE1B303D97E6D4C7181EEBDB6C57E277D0E34957114CBD6C797FC9D95D8B582D225292076D4EEF5")]
    public void Agrees_with_published_vectors(HashKind kind, string text, string expected) =>
        Assert.Equal(expected, HashOf(kind, Encoding.ASCII.GetBytes(text)));

    [Theory]
    [InlineData(HashKind.Sha224, "20794655980C91D8BBB4C1EA97618A4BF03F42581948B2EE4EE7AD67")]
    [InlineData(HashKind.Ripemd160, "52783243C1697BDBE16D37F97F68F08325DC1528")]
    [InlineData(HashKind.Whirlpool, "0C99005BEB57EFF50A7CF005560DDF5D29057FD86B20BFD62DECA0F1CCEA4AF51FC15490EDDC47AF32BB2B66C34FF9AD8C6008AD677F77126953B226E4ED8B01")]
    public void Agrees_on_a_million_letters(HashKind kind, string expected)
    {
        byte[] million = new byte[1_000_000];
        Array.Fill(million, (byte)'a');

        Assert.Equal(expected, HashOf(kind, million));
    }

    [Theory]
    [InlineData(HashKind.Sha256, 64)]
    [InlineData(HashKind.Sha256, 512)]
    [InlineData(HashKind.Sha256, 4096)]
    [InlineData(HashKind.Sha256, 100)]
    [InlineData(HashKind.Sha512, 512)]
    [InlineData(HashKind.Ripemd160, 512)]
    public void Many_blocks_have_the_digests_that_each_has_alone(HashKind kind, int size)
    {
        using var digest = new RepeatedDigest(kind);
        foreach (int blocks in new[] { 1, 15, 16, 17, 37 })
        {
            byte[] source = new byte[(blocks * size) + 5];
            new Random(blocks).NextBytes(source);
            byte[] found = new byte[blocks * digest.Size];

            digest.HashEach(source, size, found);

            string[] alone = [.. Enumerable.Range(0, blocks).Select(block => HashOf(kind, source.AsSpan(block * size, size)))];
            Assert.Equal(alone, found.Chunk(digest.Size).Select(Convert.ToHexString));
        }
    }

    private static string HashOf(HashKind kind, ReadOnlySpan<byte> source)
    {
        Span<byte> digest = stackalloc byte[Digest.SizeOf(kind)];
        Digest.Hash(kind, source, digest);
        return Convert.ToHexString(digest);
    }
}
