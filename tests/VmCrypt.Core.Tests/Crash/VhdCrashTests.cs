using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhd;
using VmCrypt.Core.Tests.Images.Vhd;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Crash;

/// <summary>The process dies, or the power fails, after each single effect of a writer of VHD: no flushed byte is lost.</summary>
public sealed class VhdCrashTests
{
    private const int DiskBytes = 3 * VhdSample.Block;
    private const int Calls = 45;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("dynamic")]
    [InlineData("differencing")]
    public async Task Writing_survives_a_crash_at_every_moment(string kind)
    {
        byte[] parent = new byte[DiskBytes];
        new Random(3).NextBytes(parent);
        VhdCreateOptions options = VhdRandomTests.OptionsOf(kind, DiskBytes);
        byte[] image = await VhdSample.CreateAsync(options);
        var file = new RecordingDevice(new MemoryDevice([.. image]));
        var model = new DurabilityModel(options.Parent is null ? new byte[DiskBytes] : parent, file.Log, seed: 11);
        await using (IVirtualDisk disk = await VhdSample.OpenAsync(file, VhdSample.Writable, parent))
        {
            await model.RunAsync(disk, Calls, Token);
        }

        var history = new DiskHistory(image, file.Effects);
        Assert.True(history.Count > 50, $"only {history.Count} effects");
        for (int effects = 0; effects <= history.Count; effects++)
        {
            foreach ((string how, MemoryDevice crashed) in Crashes(history, effects))
            {
                string context = $"{kind}, {how} after {effects} effects, the last being: {(effects == 0 ? "none" : history.Effects[effects - 1])}";
                await using IVirtualDisk disk = await VhdSample.OpenAsync(crashed, parent: parent);
                await model.CheckAsync(disk, effects, context, Token);
            }
        }
    }

    [Theory]
    [InlineData(1, 3, 0)]
    [InlineData(3, 1, 0)]
    // The table, which ends with its sector, has to move.
    [InlineData(1, 1000, 0)]
    [InlineData(1, 3, 4)]
    public async Task Resizing_leaves_the_old_size_or_the_new_one(int fromBlocks, int toBlocks, int parentBlocks)
    {
        long from = ((long)fromBlocks * VhdSample.Block) - 8192;
        long to = ((long)toBlocks * VhdSample.Block) - 4096;
        byte[] content = new byte[from];
        new Random(4).NextBytes(content);
        byte[] parent = [.. Enumerable.Repeat((byte)9, parentBlocks * VhdSample.Block)];
        byte[] image = await VhdSample.WithContentAsync(parentBlocks > 0 ? VhdSample.Differencing(from) : VhdSample.Dynamic(from), content, parent);
        DiskHistory history = await DiskHistory.RecordAsync(image, async file =>
        {
            await using IVirtualDisk disk = await VhdSample.OpenAsync(file, VhdSample.Writable, parent);
            await disk.SetLengthAsync(to, Token);
        });

        for (int effects = 0; effects <= history.Count; effects++)
        {
            foreach ((string how, MemoryDevice crashed) in Crashes(history, effects))
            {
                await using IVirtualDisk disk = await VhdSample.OpenAsync(crashed, parent: parent);
                Assert.Contains(disk.Length, (long[])[from, to]);
                byte[] read = await VhdSample.ReadAllAsync(disk);
                int kept = (int)Math.Min(from, to);
                Assert.True(read.AsSpan(0, kept).SequenceEqual(content.AsSpan(0, kept)), $"{how} after {effects} effects");
                Assert.True(disk.Length < to || from > to || read.AsSpan(kept).IndexOfAnyExcept((byte)0) < 0, $"{how} after {effects} effects: not zero");
            }
        }

        await using IVirtualDisk done = await VhdSample.OpenAsync(history.After(history.Count), parent: parent);
        Assert.Equal(to, done.Length);
    }

    private static (string How, MemoryDevice Crashed)[] Crashes(DiskHistory history, int effects) =>
        [("killed", history.After(effects)), ("power cut", history.AfterPowerCut(effects, 0)), ("another power cut", history.AfterPowerCut(effects, 1))];
}
