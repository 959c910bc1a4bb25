using VmCrypt.Core.Block;

namespace VmCrypt.Core.Tests.Support;

public sealed class CrashToolsTests
{
    private static readonly byte[] s_ones = [.. Enumerable.Repeat((byte)1, 4096)];
    private static readonly byte[] s_twos = [.. Enumerable.Repeat((byte)2, 4096)];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task History_gives_the_disk_after_each_effect()
    {
        DiskHistory history = await RecordAsync();

        Assert.Equal(6, history.Count);
        Assert.Equal(new byte[8192], history.After(0).ToArray());
        Assert.Equal([.. s_ones, .. new byte[4096]], history.After(1).ToArray());
        Assert.Equal([.. s_ones, .. s_twos], history.After(3).ToArray());
        Assert.Equal([.. new byte[512], .. s_ones[512..], .. s_twos], history.After(4).ToArray());
        Assert.Equal(12288, history.After(5).Length);
    }

    [Fact]
    public async Task A_power_cut_keeps_what_was_flushed_and_tears_the_rest_by_sectors()
    {
        DiskHistory history = await RecordAsync();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (int seed = 0; seed < 50; seed++)
        {
            byte[] disk = history.AfterPowerCut(3, seed).ToArray();
            Assert.Equal(s_ones, disk[..4096]);
            byte[][] sectors = [.. disk[4096..].Chunk(512)];
            Assert.All(sectors, sector => Assert.True(sector.All(value => value == 0) || sector.All(value => value == 2)));
            seen.Add(string.Concat(sectors.Select(sector => sector[0])));
        }

        Assert.Contains("00000000", seen);
        Assert.Contains("22222222", seen);
        Assert.True(seen.Count > 5, "no torn write among 50 power cuts");
        Assert.Equal(history.AfterPowerCut(3, 7).ToArray(), history.AfterPowerCut(3, 7).ToArray());
    }

    [Fact]
    public async Task Histories_of_two_devices_share_one_order()
    {
        var log = new EffectLog();
        await using var first = new RecordingDevice(new MemoryDevice(4096), log);
        await using var second = new RecordingDevice(new MemoryDevice(4096), log);
        await first.WriteAsync(0, s_ones, Token);
        await second.WriteAsync(0, s_twos, Token);
        await first.FlushAsync(Token);

        var history = new DiskHistory(new byte[4096], log.Effects, second);

        Assert.Equal(new byte[4096], history.After(1).ToArray());
        Assert.Equal(s_twos, history.After(2).ToArray());
        Assert.Contains(Enumerable.Range(0, 20), seed => history.AfterPowerCut(3, seed).ToArray()[0] == 0);
    }

    [Fact]
    public async Task A_crash_device_stops_before_the_forbidden_effect_and_for_good()
    {
        var memory = new MemoryDevice(8192);
        await using var device = new CrashDevice(memory, new CrashPlan(1));
        await device.WriteAsync(0, s_ones, Token);

        await Assert.ThrowsAsync<CrashException>(async () => await device.WriteAsync(4096, s_twos, Token));
        await Assert.ThrowsAsync<CrashException>(async () => await device.ReadAsync(0, new byte[1], Token));

        Assert.Equal([.. s_ones, .. new byte[4096]], memory.ToArray());
    }

    private static Task<DiskHistory> RecordAsync() => DiskHistory.RecordAsync(new byte[8192], async device =>
    {
        await device.WriteAsync(0, s_ones, Token);
        await device.FlushAsync(Token);
        await device.WriteAsync(4096, s_twos, Token);
        await device.ZeroAsync(0, 512, ZeroFlags.None, Token);
        await device.SetLengthAsync(12288, Token);
        await device.TrimAsync(8192, 512, Token);
    });
}
