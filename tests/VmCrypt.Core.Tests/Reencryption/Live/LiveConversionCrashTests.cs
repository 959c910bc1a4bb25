using VmCrypt.Core.Block;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption.Live;

/// <summary>A machine that dies while a disk is converted and used: what its guest flushed is there when the conversion has been gone on with.</summary>
public sealed class LiveConversionCrashTests
{
    private const int Points = 16;

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
    [InlineData("protect vhd")]
    [InlineData("protect vhdfixed detached")]
    [InlineData("unprotect vhdx")]
    public async Task What_the_guest_flushed_is_there(string name)
    {
        DiskConversion conversion = await DiskConversion.CreateAsync(name, length: DiskConversion.LiveLength(name));
        // How files appear beside the image is not the devices' doing: that is over when the recording begins.
        if (conversion.NeedsShelf)
        {
            await conversion.BeginAsync();
        }

        var log = new EffectLog();
        var model = new DurabilityModel([.. conversion.Plain], log, seed: name.Length);
        var recorded = new Dictionary<IBlockDevice, (RecordingDevice Device, byte[] Before)>();
        (MemoryDevice data, MemoryDevice? header, MemoryDevice? beside) = (conversion.Data, conversion.Header, conversion.Shelf.Active);
        int begun;
        await using (LiveConversion live = await conversion.StartLiveAsync(Record))
        {
            begun = log.Count;
            while (!live.Completion.IsCompleted)
            {
                await model.RunAsync(live.Disk, 5, Sample.Token);
            }

            await live.Completion;
        }

        int step = ((log.Count - begun) / Points) | 1;
        for (int count = begun; count <= log.Count; count += step)
        {
            DiskConversion left = conversion.With(After(data, count)!, After(header, count), After(beside, count));
            if (await left.IsUnfinishedAsync())
            {
                await left.ResumeAsync();
            }

            byte[] found = (await left.FindAsync())[..conversion.Plain.Length];
            await model.CheckAsync(new MemoryDevice(found), count, $"{name}, {count} of {log.Count} effects", Sample.Token);
        }

        IBlockDevice Record(IBlockDevice device)
        {
            if (!recorded.TryGetValue(device, out (RecordingDevice Device, byte[] Before) known))
            {
                known = (new RecordingDevice(device, log), ((MemoryDevice)device).ToArray());
                recorded.Add(device, known);
            }

            return new SlowDevice(known.Device);
        }

        // Every other time the process alone dies, and what it wrote is there.
        MemoryDevice? After(MemoryDevice? device, int count)
        {
            if (device is null)
            {
                return null;
            }

            var history = new DiskHistory(recorded[device].Before, log.Effects, recorded[device].Device);
            return count % 2 == 0 ? history.After(count) : history.AfterPowerCut(count, count);
        }
    }
}
