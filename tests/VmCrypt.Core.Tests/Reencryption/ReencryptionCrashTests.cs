using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>Every conversion, stopped wherever it can be, and gone on with.</summary>
public sealed class ReencryptionCrashTests
{
    // From there on the passes that erase follow, which are all alike.
    private const int Telling = 30;

    public static TheoryData<string> Names => [.. Conversion.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_process_that_dies_leaves_what_the_same_command_finishes(string name)
    {
        int stride = 1;
        for (int effects = 0; ; effects += stride)
        {
            Conversion conversion = await Conversion.CreateAsync(name);
            if (!await StopAsync(conversion, effects))
            {
                break;
            }

            await RequireSoundAsync(conversion);
            await GoOnAsync(conversion, resume: effects % 2 == 1);
            await conversion.VerifyAsync();
            stride = effects < Telling ? 1 : 13;
        }
    }

    [Theory]
    [InlineData("protect")]
    [InlineData("unprotect")]
    [InlineData("unprotect detached journal")]
    [InlineData("update")]
    public async Task Who_is_stopped_over_and_over_comes_to_the_end(string name)
    {
        Conversion conversion = await Conversion.CreateAsync(name, length: 150 << 10);
        for (int effects = 40; !await conversion.IsDoneAsync() && await StopAsync(conversion, effects); effects += 17)
        {
            await RequireSoundAsync(conversion);
        }

        await conversion.VerifyAsync();
    }

    [Theory]
    [InlineData("protect")]
    [InlineData("protect detached")]
    [InlineData("protect detached journal")]
    [InlineData("unprotect")]
    [InlineData("unprotect journal")]
    [InlineData("unprotect detached")]
    [InlineData("update")]
    [InlineData("update journal")]
    [InlineData("update detached")]
    public async Task A_power_cut_that_drops_and_tears_what_was_not_flushed_loses_nothing(string name)
    {
        var log = new EffectLog();
        Conversion conversion = await Conversion.CreateAsync(name, length: 200 << 10);
        // How files appear beside the image is not the devices' doing: that is over when the recording begins.
        if (conversion.NeedsShelf)
        {
            await conversion.BeginAsync();
        }

        var recorded = new Dictionary<IBlockDevice, (RecordingDevice Device, byte[] Before)>();
        MemoryDevice data = conversion.Data;
        MemoryDevice? header = conversion.Header;
        MemoryDevice? beside = conversion.Shelf.Active;
        await conversion.RunAsync(device =>
        {
            if (!recorded.ContainsKey(device))
            {
                recorded.Add(device, (new RecordingDevice(device, log), ((MemoryDevice)device).ToArray()));
            }

            return recorded[device].Device;
        });

        foreach (int count in Enumerable.Range(0, log.Count + 1).Where(count => (count < 4 * Telling && count % 2 == 0) || count % 17 == 0))
        {
            Conversion left = conversion.With(After(data, count)!, After(header, count), After(beside, count));
            await RequireSoundAsync(left);
            await GoOnAsync(left, resume: false);
            await left.VerifyAsync();
        }

        MemoryDevice? After(MemoryDevice? device, int count) => device is null
            ? null
            : new DiskHistory(recorded[device].Before, log.Effects, recorded[device].Device).AfterPowerCut(count, count);
    }

    [Fact]
    public async Task Nothing_to_go_on_with_is_said()
    {
        Conversion conversion = await Conversion.CreateAsync("update");

        RefusedException error = await Assert.ThrowsAsync<RefusedException>(conversion.ResumeAsync);

        Assert.Equal(ErrorIds.Luks2NotReencrypting, error.ErrorId);
    }

    /// <summary>True if the machine stopped before the end.</summary>
    private static async Task<bool> StopAsync(Conversion conversion, int effects)
    {
        try
        {
            await conversion.RunAsync(new CrashPlan(effects));
            return false;
        }
        catch (CrashException)
        {
            return true;
        }
    }

    // Whoever is let in sees the whole disk, as it was or as it will be.
    private static async Task RequireSoundAsync(Conversion conversion)
    {
        foreach (string passphrase in new[] { Sample.Passphrase, Conversion.NewPassphrase })
        {
            try
            {
                if (await conversion.ReadAsync(passphrase) is { } seen)
                {
                    Assert.Equal(conversion.Plain, seen[..conversion.Plain.Length]);
                }
            }
            catch (WrongKeyException)
            {
            }
        }
    }

    private static async Task GoOnAsync(Conversion conversion, bool resume)
    {
        if (!await conversion.IsDoneAsync())
        {
            await (resume && await conversion.IsUnfinishedAsync() ? conversion.ResumeAsync() : conversion.RunAsync());
        }
    }
}
