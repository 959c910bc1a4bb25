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

    [Theory]
    [InlineData("protect")]
    [InlineData("protect luks1")]
    public async Task A_wrong_passphrase_after_a_stop_leaves_what_can_be_gone_on_with(string name)
    {
        DiskConversion before = await DiskConversion.CreateAsync(name);
        int refused = 0;
        for (int effects = 0; ; effects++)
        {
            DiskConversion conversion = before.Clone();
            Assert.True(await conversion.StopAsync(effects));
            if (!await conversion.IsUnfinishedAsync())
            {
                continue;
            }

            if (await conversion.PositionAsync() is { Hot: not null })
            {
                break;
            }

            await Assert.ThrowsAsync<WrongKeyException>(() => conversion.ResumeAsync("wrong"));
            refused++;
            Assert.True(await conversion.IsUnfinishedAsync(), $"after {effects} effects");
            await conversion.ResumeAsync();
            await conversion.VerifyAsync();
        }

        Assert.NotEqual(0, refused);
    }

    [Fact]
    public async Task Nothing_to_go_on_with_is_said()
    {
        DiskConversion conversion = await DiskConversion.CreateAsync("update");

        RefusedException error = await Assert.ThrowsAsync<RefusedException>(conversion.ResumeAsync);

        Assert.Equal(ErrorIds.Luks2NotReencrypting, error.ErrorId);
    }
}
