using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>Stops conversions, looks at what they left, and goes on.</summary>
internal static class ConversionStops
{
    /// <summary>True if the machine stopped before the end.</summary>
    public static async Task<bool> StopAsync(this DiskConversion conversion, int effects)
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

    /// <summary>Stops in a zone that may be half rewritten.</summary>
    public static async Task StopHotAsync(this DiskConversion conversion)
    {
        for (int effects = 20; ; effects++)
        {
            DiskConversion stopped = conversion.Clone();
            if (!await stopped.StopAsync(effects))
            {
                break;
            }

            if (await stopped.PositionAsync() is { Hot: not null, Done: > 0 })
            {
                conversion.Become(stopped);
                return;
            }
        }

        Assert.Fail("The conversion never stopped in a zone.");
    }

    /// <summary>Whoever is let in sees the whole disk, as it was or as it will be.</summary>
    public static async Task RequireSoundAsync(this DiskConversion conversion)
    {
        foreach (byte[] seen in await conversion.LookAsync())
        {
            Assert.Equal(conversion.Plain, seen[..conversion.Plain.Length]);
        }
    }

    public static async Task GoOnAsync(this DiskConversion conversion, bool resume)
    {
        if (!await conversion.IsDoneAsync())
        {
            await (resume && await conversion.IsUnfinishedAsync() ? conversion.ResumeAsync() : conversion.RunAsync());
        }
    }
}
