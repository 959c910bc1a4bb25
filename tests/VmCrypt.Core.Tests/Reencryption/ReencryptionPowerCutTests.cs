using VmCrypt.Core.Block;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>Conversions whose machine loses its power: what was not flushed is there, is not, or is torn.</summary>
public sealed class ReencryptionPowerCutTests
{
    // From there on the passes that erase follow, which are all alike.
    private const int Telling = 120;

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
        await CutAsync(await DiskConversion.CreateAsync(name, length: 200 << 10), count => (count < Telling && count % 2 == 0) || count % 17 == 0);
    }

    /// <summary>Converts the disk, cuts the power after so many effects as are telling, and goes on each time.</summary>
    internal static async Task CutAsync(DiskConversion conversion, Func<int, bool> isTelling)
    {
        var log = new EffectLog();
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
            if (!recorded.TryGetValue(device, out (RecordingDevice Device, byte[] Before) known))
            {
                known = (new RecordingDevice(device, log), ((MemoryDevice)device).ToArray());
                recorded.Add(device, known);
            }

            return known.Device;
        });

        foreach (int count in Enumerable.Range(0, log.Count + 1).Where(isTelling))
        {
            DiskConversion left = conversion.With(After(data, count)!, After(header, count), After(beside, count));
            await left.RequireSoundAsync();
            await left.GoOnAsync(resume: false);
            await left.VerifyAsync();
        }

        MemoryDevice? After(MemoryDevice? device, int count) => device is null
            ? null
            : new DiskHistory(recorded[device].Before, log.Effects, recorded[device].Device).AfterPowerCut(count, count);
    }
}
