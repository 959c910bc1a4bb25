using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>Every conversion of a qcow2 image, stopped wherever it can be, and gone on with.</summary>
public sealed class Qcow2ConversionCrashTests
{
    // Between them lie the passes that erase key material, which are all alike.
    private const int Telling = 70;
    private const int TellingAtEnd = 16;

    public static TheoryData<ReencryptionMode, ReencryptionResilience> Conversions => new()
    {
        { ReencryptionMode.Encrypt, ReencryptionResilience.Checksum },
        { ReencryptionMode.Encrypt, ReencryptionResilience.Journal },
        { ReencryptionMode.Reencrypt, ReencryptionResilience.Checksum },
        { ReencryptionMode.Reencrypt, ReencryptionResilience.Journal },
        { ReencryptionMode.Decrypt, ReencryptionResilience.Checksum },
        { ReencryptionMode.Decrypt, ReencryptionResilience.Journal },
    };

    [Theory]
    [MemberData(nameof(Conversions))]
    public async Task A_process_that_dies_leaves_what_the_same_command_or_a_resumption_finishes(ReencryptionMode mode, ReencryptionResilience resilience)
    {
        Qcow2Sample before = await Qcow2Sample.CreateAsync(mode, resilience);
        var all = new CrashPlan(int.MaxValue);
        await before.Clone().StopAsync(all);

        foreach (int effects in Enumerable.Range(0, all.Spent).Where(effects => IsTelling(effects, all.Spent)))
        {
            Qcow2Sample sample = before.Clone();
            Assert.True(await sample.StopAsync(new CrashPlan(effects)));
            await sample.RequireSoundAsync();
            await sample.GoOnAsync(resume: effects % 2 == 1);
            await sample.VerifyAsync();
        }
    }

    // All that is wiped is free already, but what says so is not in its place yet.
    [Theory]
    [InlineData(ReencryptionMode.Encrypt)]
    [InlineData(ReencryptionMode.Reencrypt)]
    public async Task A_process_that_dies_while_it_wipes_what_was_freed_can_be_gone_on_with(ReencryptionMode mode)
    {
        Qcow2Sample before = (await Qcow2Sample.CreateAsync(mode)).WipingFreed();
        var all = new CrashPlan(int.MaxValue);
        await before.Clone().StopAsync(all);

        for (int effects = all.Spent - TellingAtEnd; effects < all.Spent; effects++)
        {
            Qcow2Sample sample = before.Clone();
            Assert.True(await sample.StopAsync(new CrashPlan(effects)));
            await sample.RequireSoundAsync();
            await sample.GoOnAsync(resume: effects % 2 == 1);
            await sample.VerifyAsync();
        }
    }

    [Theory]
    [MemberData(nameof(Conversions))]
    public async Task A_power_cut_that_drops_and_tears_what_was_not_flushed_loses_nothing(ReencryptionMode mode, ReencryptionResilience resilience)
    {
        Qcow2Sample sample = await Qcow2Sample.CreateAsync(mode, resilience);
        DiskHistory history = await DiskHistory.RecordAsync(sample.File.ToArray(), file => sample.RunAsync(_ => file));

        foreach (int count in Enumerable.Range(0, history.Count + 1).Where(count => count % 2 == 0 && IsTelling(count, history.Count)))
        {
            Qcow2Sample left = sample.With(history.AfterPowerCut(count, count).ToArray());
            await left.RequireSoundAsync();
            await left.GoOnAsync(resume: count % 4 == 0);
            await left.VerifyAsync();
        }
    }

    [Theory]
    [InlineData(ReencryptionMode.Encrypt)]
    [InlineData(ReencryptionMode.Reencrypt)]
    [InlineData(ReencryptionMode.Decrypt)]
    public async Task A_full_file_system_stops_it_and_with_room_it_goes_on(ReencryptionMode mode)
    {
        Qcow2Sample before = await Qcow2Sample.CreateAsync(mode);
        for (int writes = 0, stopped = 1; stopped > 0; writes += writes < Telling ? 3 : 40)
        {
            Qcow2Sample sample = before.Clone();
            stopped = 0;
            try
            {
                await sample.RunAsync(device => new FullDevice(device, writes));
            }
            catch (DeviceFaultException full)
            {
                Assert.Equal(ErrorIds.DiskFull, full.ErrorId);
                stopped++;
            }

            await sample.RequireSoundAsync();
            await sample.GoOnAsync(resume: writes % 2 == 1);
            await sample.VerifyAsync();
        }
    }

    [Theory]
    [InlineData(ReencryptionMode.Encrypt)]
    [InlineData(ReencryptionMode.Reencrypt)]
    [InlineData(ReencryptionMode.Decrypt)]
    public async Task Who_is_stopped_over_and_over_comes_to_the_end(ReencryptionMode mode)
    {
        Qcow2Sample sample = await Qcow2Sample.CreateAsync(mode);
        for (int effects = 30; await sample.StopAsync(new CrashPlan(effects)); effects += 11)
        {
            await sample.RequireSoundAsync();
            if (!await sample.IsUnfinishedAsync() && effects > 400)
            {
                break;
            }
        }

        await sample.GoOnAsync(resume: false);
        await sample.VerifyAsync();
    }

    private static bool IsTelling(int effects, int all) => effects < Telling || effects > all - TellingAtEnd || effects % 52 == 0;
}
