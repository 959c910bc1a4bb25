using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>Every conversion, stopped wherever it can be, and gone on with.</summary>
public sealed class ReencryptionCrashTests
{
    // From there on the passes that erase follow, which are all alike.
    private const int Telling = 30;

    public static TheoryData<string> Names => [.. DiskConversion.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_process_that_dies_leaves_what_the_same_command_finishes(string name)
    {
        DiskConversion before = await DiskConversion.CreateAsync(name);
        int all = await before.Clone().CountAsync();

        foreach (int effects in Enumerable.Range(0, all).Where(IsTelling))
        {
            DiskConversion conversion = before.Clone();
            Assert.True(await conversion.StopAsync(effects));
            await conversion.RequireSoundAsync();
            await conversion.GoOnAsync(resume: effects % 2 == 1);
            await conversion.VerifyAsync();
        }

        static bool IsTelling(int effects) => effects <= Telling || (effects - Telling) % 13 == 0;
    }

    [Theory]
    [InlineData("protect")]
    [InlineData("unprotect")]
    [InlineData("unprotect detached journal")]
    [InlineData("update")]
    public async Task Who_is_stopped_over_and_over_comes_to_the_end(string name)
    {
        DiskConversion conversion = await DiskConversion.CreateAsync(name, length: 150 << 10);
        for (int effects = 40; !await conversion.IsDoneAsync() && await conversion.StopAsync(effects); effects += 17)
        {
            await conversion.RequireSoundAsync();
        }

        await conversion.VerifyAsync();
    }

    [Fact]
    public async Task Nothing_to_go_on_with_is_said()
    {
        DiskConversion conversion = await DiskConversion.CreateAsync("update");

        RefusedException error = await Assert.ThrowsAsync<RefusedException>(conversion.ResumeAsync);

        Assert.Equal(ErrorIds.Luks2NotReencrypting, error.ErrorId);
    }
}
