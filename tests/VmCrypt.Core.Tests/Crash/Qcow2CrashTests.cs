using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Tests.Images.Qcow2;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Crash;

/// <summary>The process dies, or the power fails, after each single effect of a writer: the tables stay sound and no flushed byte is lost.</summary>
public sealed class Qcow2CrashTests
{
    private const int DiskBytes = 160 * 1024;
    private const int Calls = 40;
    private const int PowerCutsPerPoint = 2;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string> Kinds => ["plain", "small clusters", "version 2", "extended", "encrypted", "overlay", "extended overlay", "preallocated"];

    private static Qcow2CreateOptions OptionsOf(string kind) => kind switch
    {
        "plain" => new() { Size = DiskBytes, ClusterSize = 4096 },
        // The refcount table of 512 bytes covers 2 MiB only: it has to grow.
        "small clusters" => new() { Size = DiskBytes, ClusterSize = 512, RefcountBits = 64 },
        "version 2" => new() { Size = DiskBytes, ClusterSize = 2048, Version = 2 },
        "extended" => new() { Size = DiskBytes, ClusterSize = 16384, ExtendedL2 = true },
        "encrypted" => new() { Size = DiskBytes, ClusterSize = 4096, EncryptionHeaderLength = 4096 },
        "overlay" => new() { Size = DiskBytes, ClusterSize = 8192, BackingPath = "base", BackingFormat = "raw" },
        "extended overlay" => new() { Size = DiskBytes, ClusterSize = 32768, ExtendedL2 = true, BackingPath = "base", BackingFormat = "raw" },
        "preallocated" => new() { Size = DiskBytes, ClusterSize = 4096, EncryptionHeaderLength = 512, Preallocation = Preallocation.Metadata },
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Writing_survives_a_crash_at_every_moment(string kind)
    {
        byte[] backing = new byte[DiskBytes];
        new Random(3).NextBytes(backing);
        byte[] image = await Sample.CreateAsync(OptionsOf(kind));
        byte[] content = OptionsOf(kind).BackingPath is null ? new byte[DiskBytes] : backing;
        var file = new RecordingDevice(new MemoryDevice([.. image]));
        var model = new DurabilityModel(content, file.Log, seed: 11);
        await using (Qcow2Image disk = await Sample.OpenAsync(file, Sample.Writable, backing))
        {
            await model.RunAsync(disk, Calls, Token);
        }

        var history = new DiskHistory(image, file.Effects);
        Assert.True(history.Count > 50, $"only {history.Count} effects");
        for (int effects = 0; effects <= history.Count; effects++)
        {
            await CheckAsync(history.After(effects), $"killed after {effects} effects");
            for (int seed = 0; seed < PowerCutsPerPoint; seed++)
            {
                await CheckAsync(history.AfterPowerCut(effects, seed), $"power cut {seed} after {effects} effects");
            }

            async Task CheckAsync(MemoryDevice crashed, string context)
            {
                context = $"{kind}, {context}, the last being: {(effects == 0 ? "none" : history.Effects[effects - 1])}";
                await Sample.CheckAsync(crashed.ToArray(), leaksAllowed: true, context);
                await using Qcow2Image reopened = await Sample.OpenAsync(crashed, backing: backing);
                await model.CheckAsync(reopened, effects, context, Token);
            }
        }
    }

    [Theory]
    [InlineData(100 * 1024, 900 * 1024, 512)]
    [InlineData(900 * 1024, 100 * 1024, 512)]
    [InlineData(100 * 1024, 900 * 1024, 4096)]
    public async Task Resizing_leaves_the_old_size_or_the_new_one(int from, int to, int clusterSize)
    {
        byte[] content = new byte[from];
        new Random(4).NextBytes(content);
        byte[] image = await Sample.WithContentAsync(new Qcow2CreateOptions { Size = from, ClusterSize = clusterSize }, content);
        DiskHistory history = await DiskHistory.RecordAsync(image, async file =>
        {
            await using Qcow2Image disk = await Sample.OpenAsync(file, Sample.Writable);
            await disk.SetLengthAsync(to, Token);
        });

        for (int effects = 0; effects <= history.Count; effects++)
        {
            foreach (MemoryDevice crashed in new[] { history.After(effects), history.AfterPowerCut(effects, 0), history.AfterPowerCut(effects, 1) })
            {
                await Sample.CheckAsync(crashed.ToArray(), leaksAllowed: true, $"after {effects} effects");
                await using Qcow2Image reopened = await Sample.OpenAsync(crashed);
                Assert.Contains(reopened.Length, (long[])[from, to]);
                byte[] kept = (await Sample.ReadAllAsync(reopened))[..Math.Min(from, to)];
                Assert.Equal(content[..kept.Length], kept);
            }
        }

        await using Qcow2Image done = await Sample.OpenAsync(history.After(history.Count));
        Assert.Equal(to, done.Length);
        Assert.All((await Sample.ReadAllAsync(done)).Skip(from), value => Assert.Equal(0, value));
    }

    [Fact]
    public async Task Creation_that_was_cut_short_leaves_no_image()
    {
        var options = new Qcow2CreateOptions { Size = DiskBytes, ClusterSize = 512, Preallocation = Preallocation.Metadata, RefcountBits = 64 };
        DiskHistory history = await DiskHistory.RecordAsync([], async file => await Qcow2Builder.CreateAsync(file, options, Token));

        int whole = 0;
        for (int effects = 0; effects <= history.Count; effects++)
        {
            foreach (MemoryDevice crashed in new[] { history.After(effects), history.AfterPowerCut(effects, 0) })
            {
                if (crashed.ToArray().AsSpan().StartsWith("QFI"u8))
                {
                    await Sample.CheckAsync(crashed.ToArray());
                    whole++;
                }
            }
        }

        Assert.InRange(whole, 1, 6);
    }
}
