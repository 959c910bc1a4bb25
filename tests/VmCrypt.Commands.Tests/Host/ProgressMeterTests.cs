using VmCrypt.Commands.Host;
using VmCrypt.Core.Block;

namespace VmCrypt.Commands.Tests.Host;

public sealed class ProgressMeterTests
{
    private const long MiB = 1 << 20;

    private readonly List<ProgressReport> _shown = [];
    private readonly FakeClock _clock = new();
    private readonly ProgressMeter _meter;

    public ProgressMeterTests() => _meter = new ProgressMeter(_shown.Add, _clock);

    [Fact]
    public void Says_rate_and_time_left()
    {
        Run(seconds: 2, total: 1000 * MiB, perTick: 10 * MiB);

        ProgressReport last = _shown[^1];
        Assert.Equal("Copying", last.Activity);
        Assert.Equal("200 MiB of 1000 MiB, 100 MiB/s", last.Status);
        Assert.Equal(20, last.Percent);
        Assert.Equal(8, last.SecondsLeft);
    }

    [Fact]
    public void Is_silent_at_first_and_seldom_afterwards()
    {
        Run(seconds: 0.4, total: 1000 * MiB, perTick: MiB);
        Assert.Empty(_shown);

        Run(seconds: 10, total: 1000 * MiB, perTick: MiB, from: 4);
        Assert.InRange(_shown.Count, 40, 50);
    }

    [Fact]
    public void Does_not_go_back_when_workers_report_out_of_order()
    {
        Run(seconds: 1, total: 1000 * MiB, perTick: 10 * MiB);
        int before = _shown.Count;
        _clock.Advance(TimeSpan.FromSeconds(1));
        _meter.Report(new JobProgress("Copying", 1, 1000 * MiB));

        Assert.Equal(before, _shown.Count);
    }

    [Fact]
    public void Does_without_a_total()
    {
        Run(seconds: 1, total: 0, perTick: 10 * MiB);
        Assert.Equal(-1, _shown[^1].Percent);
        Assert.Equal("100 MiB, 100 MiB/s", _shown[^1].Status);
    }

    [Fact]
    public void Starts_afresh_with_every_activity()
    {
        Run(seconds: 1, total: 1000 * MiB, perTick: 100 * MiB);
        _meter.Report(new JobProgress("Checking", 0, 10 * MiB));
        _clock.Advance(TimeSpan.FromSeconds(1));
        _meter.Report(new JobProgress("Checking", MiB, 10 * MiB));

        Assert.Equal("1 MiB of 10 MiB, 1 MiB/s", _shown[^1].Status);
    }

    private void Run(double seconds, long total, long perTick, int from = 0)
    {
        for (int tick = from + 1; tick <= from + (int)(seconds * 10); tick++)
        {
            _clock.Advance(TimeSpan.FromMilliseconds(100));
            _meter.Report(new JobProgress("Copying", tick * perTick, total));
        }
    }

    private sealed class FakeClock : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        public void Advance(TimeSpan time) => _now += time.Ticks;
    }
}
