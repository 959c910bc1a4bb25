using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Luks.Luks2;
using VmCrypt.Core.Tests.Reencryption;

namespace VmCrypt.Core.Tests.Evil.Luks2;

public sealed class Luks2ReencryptEvilTests
{
    // One stopped conversion serves all rows; each works on a copy.
    private static readonly Lazy<Task<DiskConversion>> s_stopped = new(async () =>
    {
        DiskConversion conversion = await DiskConversion.CreateAsync("update");
        await conversion.StopHotAsync();
        return conversion;
    });

    public static TheoryData<string> Rows => [.. Luks2ReencryptRows.Names];

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Is_not_gone_on_with_and_nothing_is_written(string row)
    {
        DiskConversion conversion = (await s_stopped.Value).Clone();
        byte[] disk = conversion.Data.ToArray();
        string expected = Luks2ReencryptRows.Apply(row, new Luks2Disk(disk));
        DiskConversion evil = conversion.With(new MemoryDevice([.. disk]), header: null, beside: null);

        var error = await Assert.ThrowsAnyAsync<VmCryptException>(evil.ResumeAsync);

        Assert.Equal(expected, error.ErrorId);
        Assert.Equal(disk, evil.Data.ToArray());
    }

    [Fact]
    public async Task Without_a_change_it_is_gone_on_with()
    {
        DiskConversion conversion = (await s_stopped.Value).Clone();

        await conversion.ResumeAsync();

        await conversion.VerifyAsync();
    }
}
