using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Evil.Luks2;
using VmCrypt.Core.Tests.Luks.Luks2;

namespace VmCrypt.Interop.Tests.Luks;

/// <summary>Case by case the same verdict as cryptsetup's: on what its own generators make, and on our evil rows.</summary>
public sealed class Luks2VerdictTests : IDisposable
{
    /// <summary>Where we are stricter: no tool writes such headers, and what they mean depends on who reads them.</summary>
    private static readonly string[] s_stricter =
    [
        "text with a comment", "text with a comma too many", "text followed by a space", "a name given twice", "a name given twice in a slot",
        "bytes that are not UTF-8", "half a surrogate pair in a text", "half a surrogate pair in a name", "token 4294967296",
        "slot with 2^63 iterations", "slot with -1 iterations",
    ];

    private static readonly Lazy<Task<byte[]>> s_good = new(MakeAsync);

    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string> Generators => [.. Luks2Generators.Rows.Keys];

    public static TheoryData<string> SizeGenerators => [.. Luks2Generators.SizeRows.Keys];

    public static TheoryData<string> Evil => [.. Luks2Rows.Names.Where(row => !Luks2Rows.IsUnsupported(row)).Except(s_stricter)];

    public static TheoryData<string> Strict => [.. s_stricter];

    [Theory]
    [MemberData(nameof(Generators))]
    public async Task What_a_generator_makes_is_judged_alike(string row)
    {
        (bool accepted, Action<Luks2Disk> change) = Luks2Generators.Rows[row];
        var disk = new Luks2Disk([.. await s_good.Value]);
        change(disk);

        await JudgeAsync(disk, accepted);
    }

    [Theory]
    [MemberData(nameof(SizeGenerators))]
    public async Task What_a_generator_makes_in_other_sizes_is_judged_alike(string row)
    {
        (int size, bool accepted, Action<Luks2Disk> change) = Luks2Generators.SizeRows[row];
        LuksDisk made = await LuksDisk.FormatAsync(_scratch, Luks2Generators.Options with { MetadataSize = size });
        var disk = new Luks2Disk(File.ReadAllBytes(made.Path));
        change(disk);

        await JudgeAsync(disk, accepted);
    }

    [Theory]
    [InlineData("non-compact-json-token-0", false)]
    [InlineData("non-compact-json-4k-token-0", true)]
    public async Task Metadata_that_is_not_compact_is_written_whole(string row, bool toWholeBlock)
    {
        var disk = new Luks2Disk([.. await s_good.Value]);
        Luks2Generators.Widen(disk, toWholeBlock);
        var device = new MemoryDevice(disk.Bytes);
        string theirs = Write(row + "-theirs", disk.Bytes);
        Tools.Run("cryptsetup", "token", "remove", "--token-id", "0", theirs);
        Assert.Empty(await TokensAsync(File.ReadAllBytes(theirs)));

        LuksHeader header = await LuksHeader.OpenAsync(device, LuksOpenOptions.Default, Token);
        await header.RemoveTokenAsync(0, Token);

        Tools.Run("cryptsetup", "luksDump", Write(row + "-ours", device.ToArray()));
        Assert.Empty(await TokensAsync(device.ToArray()));
    }

    [Theory]
    [MemberData(nameof(Evil))]
    public async Task What_we_refuse_cryptsetup_refuses(string row) => await JudgeAsync(await EvilAsync(row), accepted: false);

    [Theory]
    [MemberData(nameof(Strict))]
    public async Task What_we_alone_refuse_is_what_no_tool_writes(string row)
    {
        Luks2Disk disk = await EvilAsync(row);

        Assert.True(Dumps(disk), "cryptsetup refuses it, too: the row belongs to the others");
        Assert.False(await DescribesAsync(disk));
    }

    public void Dispose() => _scratch.Dispose();

    private static async Task<byte[]> MakeAsync()
    {
        using var scratch = new Scratch();
        LuksDisk disk = await LuksDisk.FormatAsync(scratch, Luks2Generators.Options);
        await disk.AddAsync(LuksDisk.Passphrase, "slot 1", cost: KdfCost.OfArgon2(KdfKind.Argon2id, 4, 32, 1));
        for (int slot = 2; slot < 8; slot++)
        {
            await disk.AddAsync(LuksDisk.Passphrase, $"slot {slot}");
        }

        return File.ReadAllBytes(disk.Path);
    }

    // The disk that the rows are about.
    private async Task<Luks2Disk> EvilAsync(string row)
    {
        LuksDisk made = await LuksDisk.FormatAsync(_scratch, LuksDisk.QuickLuks2);
        await made.AddAsync(LuksDisk.Passphrase, "second");
        var device = new MemoryDevice(File.ReadAllBytes(made.Path));
        LuksHeader header = await LuksHeader.OpenAsync(device, LuksOpenOptions.Default, Token);
        await header.AddTokenAsync("""{"type":"test","keyslots":["1"]}""", null, Token);
        var disk = new Luks2Disk(device.ToArray());
        Luks2Rows.Apply(row, disk);
        return disk;
    }

    private async Task JudgeAsync(Luks2Disk disk, bool accepted)
    {
        Assert.Equal(accepted, await DescribesAsync(disk));
        Assert.Equal(accepted, Dumps(disk));
    }

    private static async Task<bool> DescribesAsync(Luks2Disk disk)
    {
        try
        {
            await LuksHeader.DescribeAsync(new MemoryDevice([.. disk.Bytes]), LuksOpenOptions.Default, Token);
            return true;
        }
        catch (VmCryptException error) when (error is InvalidImageException or UnsupportedFeatureException)
        {
            return false;
        }
    }

    // Dumping repairs the file, if it can.
    private bool Dumps(Luks2Disk disk) => Tools.TryRun("cryptsetup", "luksDump", Write("judged", disk.Bytes)).ExitCode == 0;

    private static async Task<KeyTokenFacts[]> TokensAsync(byte[] disk) =>
        (await LuksHeader.OpenAsync(new MemoryDevice(disk), LuksOpenOptions.Default, Token)).Facts.Tokens;

    private string Write(string name, byte[] bytes)
    {
        File.WriteAllBytes(_scratch[name], bytes);
        return _scratch[name];
    }
}
