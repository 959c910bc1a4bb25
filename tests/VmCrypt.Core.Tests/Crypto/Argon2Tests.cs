using System.Diagnostics;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Crypto.Hashes;
using VmCrypt.Core.Crypto.MemoryHard;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Crypto;

public sealed class Argon2Tests
{
    // RFC 9106, sections 5.2 and 5.3; version 0x10 from the list that the reference implementation is tested with.
    public static TheoryData<Argon2Path, Argon2Variant, Argon2Version, string> Rfc9106 => OverPaths(
        (Argon2Variant.I, Argon2Version.V13, "C814D9D1DC7F37AA13F0D77F2494BDA1C8DE6B016DD388D29952A4C4672B6CE8"),
        (Argon2Variant.Id, Argon2Version.V13, "0D640DF58D78766C08C037A34A8B53C9D01EF0452D75B65EB52520E96B01E659"),
        (Argon2Variant.I, Argon2Version.V10, "87AEEDD6517AB830CD9765CD8231ABB2E647A5DEE08F7C05E02FCB763335D0FD"),
        (Argon2Variant.Id, Argon2Version.V10, "B64615F07789B66B645B67EE9ED3B377AE350B6BFCBB0FC95141EA8F322613C0"));

    // Three lanes, memory that is no multiple of them, and a key that needs several hashes; made by Debian's argon2 program.
    public static TheoryData<Argon2Path, Argon2Variant, Argon2Version, string> Uneven => OverPaths(
        (Argon2Variant.I, Argon2Version.V13, "E0EF57B6EDBED2893D67CBFD3E23F21A66063312A782602A5C24341CE9B11F1B651939C294F6CC6A9A2E84EC29053E7AB6DC16665095E10137B01A83582A9473F76F13111BB054300B6F3948EB5521ECE9E22528A09DA8353E6BEBEBD751CF9ECA7BCC27"),
        (Argon2Variant.Id, Argon2Version.V13, "760258E280BBBF822CFFB63AB84E1993961B5E230DABD93C26EF356E6A0DA038347072A5BB77AA1FF42A94B588A8C40F3F0C6CEEE874115883B16AB72B3023CF49C337945DE44D907DE103AFF95850C44454BA4EE2E9B84383449A2FF209E826C88A1232"),
        (Argon2Variant.I, Argon2Version.V10, "6245728CA2535612CC95C8E0415AF84C5F1D938BC03352017969F5BA59285661E0E2D08BEF3012B04FE505080DB01EA6A435B65CB0F036664F7EEF55908A3CF9F0F3286B53E00380BC8B0766B456EEA5449CB28D0537B15BED144123EDA0534CBE0FB454"),
        (Argon2Variant.Id, Argon2Version.V10, "EE289EA283D665DA17B00BEDB82A833130D18D689D93A4082D4A1956E0442492DFB34C0AE0702B63571E21D6FEB9E38F6974891C3B23C2FA29B1F85E4EAE38D0EA477AF7FCD8DC288DD5D6CC1A4C87AF75A10C8BB0B95127610EC17EE810D30E60B33A33"));

    [Theory]
    [MemberData(nameof(Rfc9106))]
    public void Agrees_with_RFC_9106(Argon2Path path, Argon2Variant variant, Argon2Version version, string expected)
    {
        byte[] key = new byte[32];
        Argon2.Derive(
            variant, Filled(32, 1), Filled(16, 2), Filled(8, 3), Filled(12, 4), new Argon2Cost(32, 3, 4), key, version, path,
            TestContext.Current.CancellationToken);
        Assert.Equal(expected, Convert.ToHexString(key));
    }

    [Theory]
    [MemberData(nameof(Uneven))]
    public void Agrees_with_the_argon2_program(Argon2Path path, Argon2Variant variant, Argon2Version version, string expected)
    {
        byte[] key = new byte[100];
        Argon2.Derive(variant, "password"u8, "somesalt"u8, [], [], new Argon2Cost(1003, 2, 3), key, version, path, TestContext.Current.CancellationToken);
        Assert.Equal(expected, Convert.ToHexString(key));
    }

    // The least and a larger cost, from the same program.
    [Theory]
    [InlineData(Argon2Variant.Id, 8, 1, "6B7A947D")]
    [InlineData(Argon2Variant.Id, 65536, 2, "09316115D5CF24ED5A15A31A3BA326E5CF32EDC24702987C02B6566F61913CF7")]
    [InlineData(Argon2Variant.I, 65536, 2, "C1628832147D9720C5BD1CFD61367078729F6DFB6F8FEA9FF98158E0D7816ED0")]
    public void Agrees_with_the_argon2_program_on_one_lane(Argon2Variant variant, int memoryKiB, int passes, string expected)
    {
        byte[] key = new byte[expected.Length / 2];
        Argon2.Derive(
            variant, "password"u8, "somesalt"u8, new Argon2Cost(memoryKiB, passes, 1), key, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(expected, Convert.ToHexString(key));
    }

    // RFC 7693, appendix A, and the empty message.
    [Theory]
    [InlineData("616263", "BA80A53F981C4D0D6A2797B69F12F6E94C212F14685AC4B74B12BB6FDBFFA2D17D87C5392AAB792DC252D5DE4533CC9518D38AA8DBF1925AB92386EDD4009923")]
    [InlineData("", "786A02F742015903C6C6FD852552D272912F4740E15847618A86E217F71F5419D25E1031AFEE585313896444934EB04B903A685B1448B755D56F701AFE9BE2CE")]
    public void Blake2b_agrees_with_RFC_7693(string message, string expected)
    {
        byte[] digest = new byte[64];
        Blake2b.Hash(Convert.FromHexString(message), digest);
        Assert.Equal(expected, Convert.ToHexString(digest));
    }

    [Theory]
    [InlineData(32, 0, 1)]
    [InlineData(32, 1, 0)]
    [InlineData(7, 1, 1)]
    [InlineData(31, 1, 4)]
    [InlineData(Argon2Cost.MaxMemoryKiB + 1, 1, 1)]
    [InlineData(Argon2Cost.MaxMemoryKiB, 1, int.MaxValue)]
    public void Refuses_impossible_costs(int memoryKiB, int passes, int lanes)
    {
        var error = Assert.Throws<InvalidInputException>(() => new Argon2Cost(memoryKiB, passes, lanes));
        Assert.Equal(ErrorIds.Argon2CostInvalid, error.ErrorId);
    }

    [Fact]
    public void Refuses_more_memory_than_the_machine_has()
    {
        long blocks = (GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / BlockMemory.BlockSize) + 1;
        var error = Assert.Throws<UnsupportedFeatureException>(() => new BlockMemory(blocks).Dispose());
        Assert.Equal(ErrorIds.Argon2MemoryMissing, error.ErrorId);
    }

    [Fact]
    public async Task Stops_soon_when_cancelled()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        long start = Stopwatch.GetTimestamp();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.Run(
            () => Argon2.Derive(Argon2Variant.Id, "x"u8, "somesalt"u8, new Argon2Cost(65536, 1_000_000, 2), new byte[32], cancellationToken: stop.Token),
            TestContext.Current.CancellationToken));
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.FromMilliseconds(50), TimeSpan.FromSeconds(60));
    }

    private static TheoryData<Argon2Path, Argon2Variant, Argon2Version, string> OverPaths(
        params (Argon2Variant Variant, Argon2Version Version, string Expected)[] rows)
    {
        var data = new TheoryData<Argon2Path, Argon2Variant, Argon2Version, string>();
        foreach (Argon2Path path in Argon2Paths.Available)
        {
            foreach ((Argon2Variant variant, Argon2Version version, string expected) in rows)
            {
                data.Add(path, variant, version, expected);
            }
        }

        return data;
    }

    private static byte[] Filled(int length, byte value) => [.. Enumerable.Repeat(value, length)];
}
