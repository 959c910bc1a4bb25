using VmCrypt.Core.Crypto;
using VmCrypt.Core.Crypto.MemoryHard;

namespace VmCrypt.Core.Tests.Crypto;

public sealed class Argon2BenchmarkTests
{
    private const int MiB = 1024;
    private const int GiB = 1024 * MiB;

    // A machine that fills so many KiB per second: 4 passes over m KiB take 4 m / speed.
    [Theory]
    [InlineData(2.0e6, 2000, GiB, 1_000_000, 4)] // within the limit: memory as the time allows, passes at the least
    [InlineData(2.0e7, 2000, GiB, GiB, 38)] // a fast machine: all the memory, then passes
    [InlineData(1.0e5, 2000, GiB, 64 * MiB, 4)] // a slow machine: nothing below the floor
    [InlineData(4.0e6, 100, GiB, 100_000, 4)] // a short time: above the floor, down from the first measurement
    [InlineData(2.0e6, 2000, 32 * MiB, 32 * MiB, 122)] // little memory: passes make up for it
    public void Takes_the_time_that_was_asked_for(double kiBPerSecond, int milliseconds, int maxMemoryKiB, int memoryKiB, int passes)
    {
        Argon2Cost cost = Choose(maxMemoryKiB, milliseconds, chosen => TimeSpan.FromSeconds((double)chosen.MemoryKiB * chosen.Passes / kiBPerSecond));

        Assert.Equal(passes, cost.Passes);
        Assert.InRange(cost.MemoryKiB, memoryKiB * 0.99, memoryKiB * 1.01);
        Assert.Equal(2, cost.Lanes);
    }

    [Fact]
    public void Comes_within_the_range_on_a_machine_that_is_not_linear()
    {
        TimeSpan Run(Argon2Cost cost) => TimeSpan.FromSeconds(0.05 + Math.Pow((double)cost.MemoryKiB * cost.Passes / 3e6, 1.2));

        Assert.InRange(Run(Choose(GiB, 2000, Run)), TimeSpan.FromSeconds(1.9), TimeSpan.FromSeconds(2.2));
    }

    [Fact]
    public void Ends_on_a_machine_whose_clock_makes_no_sense()
    {
        var random = new Random(1);
        Argon2Cost cost = Choose(GiB, 2000, _ => TimeSpan.FromMilliseconds(random.Next(0, 100_000)));

        Assert.InRange(cost.MemoryKiB, 64 * MiB, GiB);
        Assert.InRange(cost.Passes, 4, int.MaxValue);
    }

    [Fact]
    public void Stops_between_runs_when_cancelled()
    {
        using var stop = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Argon2Benchmark.Choose(
            _ =>
            {
                stop.Cancel();
                return TimeSpan.FromMilliseconds(20);
            },
            TimeSpan.FromSeconds(2), GiB, 2, stop.Token));
    }

    [Theory]
    [InlineData(16 * GiB, 1 * GiB, false, 8 * GiB)]
    [InlineData(3 * GiB, 2 * GiB, false, 1 * GiB)]
    [InlineData(3 * GiB, 2 * GiB, true, 3 * GiB / 2)]
    [InlineData(3 * GiB, 100 * MiB, false, 3 * GiB / 2)]
    public void Leaves_the_machine_enough_memory(long totalKiB, long freeKiB, bool hasSwap, long expected) =>
        Assert.Equal(expected, new MachineMemory(totalKiB, freeKiB, hasSwap).ReasonableKiB);

    [Fact]
    public void Reads_what_Linux_tells_of_memory()
    {
        string[] lines = ["MemTotal:       24636464 kB", "MemFree:         1048576 kB", "SwapTotal:             0 kB", "HugePages_Total:       0"];
        Assert.Equal(new MachineMemory(24636464, 1048576, HasSwap: false), MachineMemory.Parse(24636464, 5, lines));
        Assert.True(MachineMemory.Parse(1, 1, ["SwapTotal:       2097148 kB"]).HasSwap);
    }

    // The real thing, once and briefly: a fifth of a second with little memory.
    [Fact]
    public void Measures_this_machine()
    {
        Argon2Cost cost = Argon2Benchmark.Choose(
            Argon2Variant.Id, 64, TimeSpan.FromMilliseconds(20), 16 * MiB, cancellationToken: TestContext.Current.CancellationToken);

        Assert.InRange(cost.Passes, 4, 1000);
        Assert.InRange(cost.MemoryKiB, 32, 16 * MiB);
        Assert.InRange(cost.Lanes, 1, Environment.ProcessorCount);
    }

    private static Argon2Cost Choose(int maxMemoryKiB, int milliseconds, Func<Argon2Cost, TimeSpan> run) =>
        Argon2Benchmark.Choose(run, TimeSpan.FromMilliseconds(milliseconds), maxMemoryKiB, 2, CancellationToken.None);
}
