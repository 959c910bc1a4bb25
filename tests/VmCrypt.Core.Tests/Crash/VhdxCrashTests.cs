using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhdx;
using VmCrypt.Core.Tests.Images.Vhdx;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Crash;

/// <summary>The process dies, or the power fails, after each single effect of a writer: the log makes good, and no flushed byte is lost.</summary>
public sealed class VhdxCrashTests
{
    private const int DiskBytes = 2 * VhdxSample.Block;
    private const int Calls = 45;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("dynamic")]
    [InlineData("differencing")]
    public async Task Writing_survives_a_crash_at_every_moment(string kind)
    {
        byte[] parent = new byte[DiskBytes];
        new Random(3).NextBytes(parent);
        VhdxCreateOptions options = VhdxRandomTests.OptionsOf(kind, DiskBytes);
        byte[] image = await VhdxSample.CreateAsync(options);
        var file = new RecordingDevice(new MemoryDevice([.. image]));
        var model = new DurabilityModel(options.Parent is null ? new byte[DiskBytes] : parent, file.Log, seed: 11);
        await using (VhdxImage disk = await VhdxSample.OpenAsync(file, VhdxSample.Writable, parent))
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
                await CheckAsync(crashed, parent, disk => model.CheckAsync(disk, effects, context, Token));
            }
        }
    }

    [Theory]
    [InlineData(1, 3, 0)]
    [InlineData(3, 1, 0)]
    // The table of 1 MiB has entries for so many blocks: it has to move.
    [InlineData(1, 131_072, 0)]
    [InlineData(1, 3, 4)]
    public async Task Resizing_leaves_the_old_size_or_the_new_one(int fromBlocks, int toBlocks, long parentBlocks)
    {
        long from = ((long)fromBlocks * VhdxSample.Block) - 8192;
        long to = ((long)toBlocks * VhdxSample.Block) - 4096;
        byte[] content = new byte[from];
        new Random(4).NextBytes(content);
        byte[] parent = [.. Enumerable.Repeat((byte)9, (int)(parentBlocks * VhdxSample.Block))];
        byte[] image = await VhdxSample.WithContentAsync(parentBlocks > 0 ? VhdxSample.Differencing(from) : VhdxSample.Dynamic(from), content, parent);
        DiskHistory history = await DiskHistory.RecordAsync(image, async file =>
        {
            await using VhdxImage disk = await VhdxSample.OpenAsync(file, VhdxSample.Writable, parent);
            await disk.SetLengthAsync(to, Token);
        });

        for (int effects = 0; effects <= history.Count; effects++)
        {
            foreach ((string how, MemoryDevice crashed) in Crashes(history, effects))
            {
                await CheckAsync(crashed, parent, async disk =>
                {
                    Assert.Contains(disk.Length, (long[])[from, to]);
                    byte[] kept = new byte[Math.Min(from, to)];
                    await disk.ReadAsync(0, kept, Token);
                    Assert.True(content.AsSpan().StartsWith(kept), $"{how} after {effects} effects");
                    byte[] fresh = new byte[Math.Min(disk.Length - kept.Length, 4 * VhdxSample.Block) & -4096];
                    await disk.ReadAsync(disk.Length - fresh.Length, fresh, Token);
                    Assert.True(disk.Length < to || from > to || fresh.AsSpan().IndexOfAnyExcept((byte)0) < 0, $"{how} after {effects} effects: not zero");
                });
            }
        }

        await using VhdxImage done = await VhdxSample.OpenAsync(history.After(history.Count), parent: parent);
        Assert.Equal(to, done.Length);
    }

    [Fact]
    public async Task A_log_that_waits_is_replayed_again_however_often_replaying_stops()
    {
        byte[] content = new byte[DiskBytes];
        new Random(5).NextBytes(content);
        byte[] waiting = await InterruptedAsync(content);
        await using (VhdxImage disk = await VhdxSample.OpenAsync(new MemoryDevice(waiting, writable: false)))
        {
            Assert.True(disk.Facts.IsLogPending);
        }

        DiskHistory history = await DiskHistory.RecordAsync(waiting, async file =>
        {
            await using VhdxImage disk = await VhdxSample.OpenAsync(file, VhdxSample.Writable);
            await disk.WriteAsync(0, content.AsMemory(0, 512), Token);
        });

        for (int effects = 0; effects <= history.Count; effects++)
        {
            foreach ((string how, MemoryDevice crashed) in Crashes(history, effects))
            {
                await CheckAsync(crashed, null, async disk =>
                    Assert.True((await VhdxSample.ReadAllAsync(disk)).AsSpan().SequenceEqual(content), $"{how} after {effects} effects"));
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task Creation_that_was_cut_short_leaves_no_image(int seed)
    {
        VhdxCreateOptions options = VhdxSample.Dynamic(DiskBytes) with { Preallocation = Preallocation.Metadata };
        DiskHistory history = await DiskHistory.RecordAsync([], async file => await VhdxBuilder.CreateAsync(file, options, Token));

        int whole = 0;
        for (int effects = 0; effects <= history.Count; effects++)
        {
            foreach (MemoryDevice crashed in new[] { history.After(effects), history.AfterPowerCut(effects, seed) })
            {
                if (crashed.ToArray().AsSpan().StartsWith("vhdxfile"u8))
                {
                    await CheckAsync(crashed, null, async disk => Assert.All(await VhdxSample.ReadAllAsync(disk), value => Assert.Equal(0, value)));
                    whole++;
                }
            }
        }

        Assert.InRange(whole, 1, 4);
    }

    /// <summary>The file of a writer that was killed when its log had been written, and its tables had not.</summary>
    private static async Task<byte[]> InterruptedAsync(byte[] content)
    {
        byte[] image = await VhdxSample.CreateAsync(VhdxSample.Dynamic(DiskBytes));
        DiskHistory history = await DiskHistory.RecordAsync(image, async file =>
        {
            await using VhdxImage disk = await VhdxSample.OpenAsync(file, VhdxSample.Writable);
            await disk.WriteAsync(0, content, Token);
        });

        int tables = history.Effects.Index().Last(effect => effect.Item is WriteEffect { Bytes.Length: 4096, Offset: >= 3 * VhdxSample.Block }).Index;
        return history.After(tables).ToArray();
    }

    private static (string How, MemoryDevice Crashed)[] Crashes(DiskHistory history, int effects) =>
        [("killed", history.After(effects)), ("power cut", history.AfterPowerCut(effects, 0)), ("another power cut", history.AfterPowerCut(effects, 1))];

    // As a reader sees it, and again once a writer has replayed the log for real.
    private static async Task CheckAsync(MemoryDevice crashed, byte[]? parent, Func<VhdxImage, Task> check)
    {
        var readOnly = new MemoryDevice(crashed.ToArray(), writable: false);
        await using (VhdxImage disk = await VhdxSample.OpenAsync(readOnly, parent: parent))
        {
            await check(disk);
            if (!disk.Facts.IsLogPending)
            {
                return;
            }
        }

        await using VhdxImage writer = await VhdxSample.OpenAsync(crashed, VhdxSample.Writable, parent);
        await writer.TrimAsync(0, 0, Token);
        Assert.False(writer.Facts.IsLogPending);
        await check(writer);
    }
}
