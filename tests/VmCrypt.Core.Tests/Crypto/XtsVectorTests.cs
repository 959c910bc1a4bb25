using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Tests.Crypto;

/// <summary>Published AES-XTS vectors. A block depends on its place in the data unit only, so shorter units are the beginning of ours.</summary>
public sealed class XtsVectorTests
{
    private const string E = "2718281828459045235360287471352631415926535897932384626433832795";
    private const string LongE = "27182818284590452353602874713526624977572470936999595749669676273141592653589793238462643383279502884197169399375105820974944592";

    // IEEE 1619-2007, annex B: key, data unit, plain (repeated over the sector), beginning of the ciphertext.
    public static TheoryData<AesPath, string, ulong, string, string> Ieee1619 => Rows(
        (new string('0', 64), 0, "00", "917CF69EBD68B2EC9B9FE9A3EADDA692CD43D2F59598ED858C02C2652FBF922E"),
        ("1111111111111111111111111111111122222222222222222222222222222222", 0x3333333333, "44", "C454185E6A16936E39334038ACEF838BFB186FFF7480ADC4289382ECD6D394F0"),
        ("FFFEFDFCFBFAF9F8F7F6F5F4F3F2F1F022222222222222222222222222222222", 0x3333333333, "44", "AF85336B597AFC1A900B2EB21EC949D292DF4C047E0B21532186A5971A227A89"),
        (E, 0, "count", "27A7479BEFA1D476489F308CD4CFA6E2A96E4BBE3208FF25287DD3819616E89CC78CF7F5E543445F8333D8FA7F56000005279FA5D8B5E4AD40E736DDB4D35412"),
        (LongE, 0xFF, "count", "1C3B3A102F770386E4836C99E370CF9BEA00803F5E482357A4AE12D414A3E63B5D31E276F8FE4A8D66B317F9AC683F44680A86AC35ADFC3345BEFECB4BB188FD"),
        (LongE, 0xFFFF, "count", "77A31251618A15E6B92D1D66DFFE7B50B50BAD552305BA0217A610688EFF7E11E1D0225438E093242D6DB274FDE801D4CAE06F2092C728B2478559DF58E837C2"),
        (LongE, 0xFFFFFFFFFF, "count", "64497E5A831E4A932C09BE3E5393376DAA599548B816031D224BBF50A818ED2350EAE7E96087C8A0DB51AD290BD00C1AC1620857635BF246C176AB463BE30B80"));

    // NIST CAVP, XTSGenAES128 and XTSGenAES256 in the data-unit-number format, COUNT 1 each.
    public static TheoryData<AesPath, string, ulong, string, string> NistXtsvs => Rows(
        ("A3E40D5BD4B6BBEDB2D18C700AD2DB2210C81190646D673CBCA53F133EAB373C", 141, "20E0719405993F09A66AE5BB500E562C", "74623551210216AC926B9650B6D3FA52"),
        (
            "EF010CA1A3663E32534349BC0BAE62232A1573348568FB9EF41768A7674F507A727F98755397D0E0AA32F830338CC7A926C773F09E57B357CD156AFBCA46E1A0",
            187,
            "ED98E01770A853B49DB9E6AAF88F0A41B9B56E91A5A2B11D40529254F5523E75",
            "CA20C55E8DC149687D2541DE39C3DF6300BB5A163C10CED3666B1357DB8BD39D"));

    [Theory]
    [MemberData(nameof(Ieee1619))]
    [MemberData(nameof(NistXtsvs))]
    public void Agrees(AesPath path, string key, ulong dataUnit, string plain, string expected)
    {
        byte[] pattern = plain == "count" ? [.. Enumerable.Range(0, 256).Select(i => (byte)i)] : Convert.FromHexString(plain);
        byte[] sector = [.. Enumerable.Range(0, 512).Select(i => pattern[i % pattern.Length])];
        byte[] original = [.. sector];
        using var cipher = SectorCipher.Create(CipherSpec.Default, Convert.FromHexString(key), 512, path);

        cipher.Encrypt(dataUnit, sector, sector);
        Assert.Equal(expected, Convert.ToHexString(sector.AsSpan(0, expected.Length / 2)));

        cipher.Decrypt(dataUnit, sector, sector);
        Assert.Equal(original, sector);
    }

    private static TheoryData<AesPath, string, ulong, string, string> Rows(params (string Key, ulong DataUnit, string Plain, string Expected)[] rows)
    {
        var data = new TheoryData<AesPath, string, ulong, string, string>();
        foreach (AesPath path in AesPaths.Available)
        {
            foreach ((string key, ulong dataUnit, string plain, string expected) in rows)
            {
                data.Add(path, key, dataUnit, plain, expected);
            }
        }

        return data;
    }
}
