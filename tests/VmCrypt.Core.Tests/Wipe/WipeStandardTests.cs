using System.Text.Json;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Core.Tests.Wipe;

public sealed class WipeStandardTests : IDisposable
{
    private readonly ConfigurationFolder _folder = new(Directory.CreateTempSubdirectory("vmcrypt-").FullName);

    public void Dispose() => Directory.Delete(_folder.Path, recursive: true);

    // The first four as the project's origin names them; the others as nwipe's method.c and scrub's pattern.c have them.
    [Theory]
    [InlineData("Zero", "0x00")]
    [InlineData("DoD", "0x00 0xFF random")]
    [InlineData("BMB21-2007", "0xFF random random random 0xFF 0x00")]
    [InlineData("DoD7", "random 0x00 0xFF random random 0x00 0xFF")]
    [InlineData("dodshort", "byte ~1 random")]
    [InlineData("DoD-ECE", "byte ~1 random byte byte ~5 random")]
    [InlineData("DoD-scrub", "random 0x00 0xFF")]
    [InlineData("BMB21-2019", "0xFF 0x00 random random random 0xFF 0x00")]
    [InlineData("Schneier", "0xFF 0x00 random random random random random")]
    [InlineData("Schneier-scrub", "0x00 0xFF random random random random random")]
    [InlineData("NNSA", "random random 0x00")]
    [InlineData("BSI", "0xFF 0xFE 0xFD 0xFB 0xF7 0xEF 0xDF 0xBF 0x7F")]
    [InlineData("RCMP", "0x00 0xFF 0x00 0xFF 0x00 0xFF random")]
    [InlineData("ops2", "byte ~1 ~2 ~1 ~2 ~1 ~2 ~1 random")]
    [InlineData("HMG-IS5-Baseline", "0x00")]
    [InlineData("is5enh", "0x00 0xFF random")]
    [InlineData("VSITR", "0x00 0xFF 0x00 0xFF 0x00 0xFF 0xAA")]
    [InlineData("NSA7", "random random random random random random random")]
    [InlineData("CryptoErase", "")]
    public void Has_the_passes_that_its_name_stands_for(string name, string passes) =>
        Assert.Equal(passes, string.Join(' ', WipeStandards.BuiltIn[name].Passes));

    [Fact]
    public void Gutmann_is_four_random_twenty_seven_fixed_and_four_random()
    {
        WipeStandard gutmann = WipeStandards.BuiltIn["Gutmann"];
        WipeStandard shuffled = WipeStandards.BuiltIn["Gutmann-nwipe"];

        Assert.Equal(35, gutmann.Passes.Count);
        Assert.All(gutmann.Passes.Take(4).Concat(gutmann.Passes.Skip(31)), pass => Assert.Equal(WipePassKind.Random, pass.Kind));
        Assert.Equal(
            "0x55 0xAA 0x924924 0x492492 0x249249 0x00 0x11 0x22 0x33 0x44 0x55 0x66 0x77 0x88 0x99 0xAA 0xBB 0xCC 0xDD 0xEE 0xFF "
            + "0x924924 0x492492 0x249249 0x6DB6DB 0xB6DB6D 0xDB6DB6",
            string.Join(' ', gutmann.Passes.Skip(4).Take(27)));
        Assert.Equal(string.Join(' ', gutmann.Passes), string.Join(' ', shuffled.Passes));
        Assert.Equal((5, 31), shuffled.Shuffle);
    }

    [Fact]
    public void Nobody_promises_compliance() => Assert.All(WipeStandards.BuiltIn.All, standard =>
    {
        Assert.DoesNotContain("complian", standard.Title + standard.Notes + standard.Origin, StringComparison.OrdinalIgnoreCase);
        Assert.NotEmpty(standard.Origin);
        Assert.NotEmpty(standard.Notes);
    });

    [Fact]
    public void Refuses_a_name_that_nobody_defined()
    {
        var error = Assert.Throws<MissingException>(() => WipeStandards.BuiltIn["NSA"]);
        Assert.Equal(ErrorIds.WipeStandardUnknown, error.ErrorId);
    }

    [Fact]
    public void Blanking_adds_zeros_once()
    {
        Assert.Equal("byte ~1 random 0x00", string.Join(' ', WipeStandards.BuiltIn["dodshort"].WithBlank().Passes));
        Assert.Same(WipeStandards.BuiltIn["BMB21-2007"], WipeStandards.BuiltIn["BMB21-2007"].WithBlank());
    }

    [Fact]
    public async Task Users_add_their_own()
    {
        File.WriteAllText(_folder[WipeStandards.FileName], """
            { "standards": [ { "name": "House", "title": "Ours", "passes": [ "0xDEADBEEF", "~1", "RANDOM" ], "verify": "AllPasses" } ] }
            """);

        WipeStandard house = (await WipeStandards.LoadAsync(_folder, CancellationToken.None))["house"];

        Assert.Equal("0xDEADBEEF ~1 random", string.Join(' ', house.Passes));
        Assert.Equal((VerifyMode.AllPasses, false), (house.Verify, house.BuiltIn));
    }

    [Theory]
    [InlineData("""{ "name": "Zero", "title": "t", "passes": [ "0xFF" ] }""")]
    [InlineData("""{ "name": "x", "aliases": [ "dod7" ], "title": "t", "passes": [ "0xFF" ] }""")]
    [InlineData("""{ "name": "", "title": "t", "passes": [ "0xFF" ] }""")]
    [InlineData("""{ "name": "a/b", "title": "t", "passes": [ "0xFF" ] }""")]
    [InlineData("""{ "name": "x", "title": "t", "passes": [] }""")]
    [InlineData("""{ "name": "x", "title": "t", "passes": [ "0xF" ] }""")]
    [InlineData("""{ "name": "x", "title": "t", "passes": [ "0x" ] }""")]
    [InlineData("""{ "name": "x", "title": "t", "passes": [ "FF" ] }""")]
    [InlineData("""{ "name": "x", "title": "t", "passes": [ "0xGG" ] }""")]
    [InlineData("""{ "name": "x", "title": "t", "passes": [ "~1" ] }""")]
    [InlineData("""{ "name": "x", "title": "t", "passes": [ "0x00", "~3", "0xFF" ] }""")]
    [InlineData("""{ "name": "x", "title": "t", "passes": [ "0x00", "~-1" ] }""")]
    [InlineData("""{ "name": "x", "title": "t", "passes": [ "0x00", "~1" ], "shuffle": { "first": 1, "last": 2 } }""")]
    [InlineData("""{ "name": "x", "title": "t", "passes": [ "0x00", "0xFF" ], "shuffle": { "first": 0, "last": 2 } }""")]
    [InlineData("""{ "name": "x", "title": "t", "passes": [ "0x00", "0xFF" ], "shuffle": { "first": 1, "last": 3 } }""")]
    public async Task Refuses_a_row_that_breaks_the_rules(string row)
    {
        File.WriteAllText(_folder[WipeStandards.FileName], $"{{ \"standards\": [ {row} ] }}");
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => WipeStandards.LoadAsync(_folder, CancellationToken.None));
        Assert.Equal(ErrorIds.WipeStandardInvalid, error.ErrorId);
    }

    [Fact]
    public async Task Refuses_more_passes_than_anybody_needs()
    {
        string passes = JsonSerializer.Serialize(Enumerable.Repeat("0x00", WipeStandard.MaxPasses + 1));
        File.WriteAllText(_folder[WipeStandards.FileName], $$"""{ "standards": [ { "name": "x", "title": "t", "passes": {{passes}} } ] }""");
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => WipeStandards.LoadAsync(_folder, CancellationToken.None));
        Assert.Equal(ErrorIds.WipeStandardInvalid, error.ErrorId);
    }
}
