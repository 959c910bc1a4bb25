using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Tests.Crypto;

public sealed class Pbkdf2BenchmarkTests
{
    [Theory]
    [InlineData(50)]
    [InlineData(20_000)]
    [InlineData(4_500_000)]
    [InlineData(1e9)]
    public void Finds_the_speed_of_any_machine_in_a_few_runs(double perSecond)
    {
        int runs = 0;
        double measured = Pbkdf2Benchmark.MeasurePerSecond(
            iterations =>
            {
                runs++;
                return TimeSpan.FromSeconds(iterations / perSecond);
            },
            CancellationToken.None);

        Assert.InRange(measured, perSecond * 0.999, perSecond * 1.001);
        Assert.InRange(runs, 1, 6);
    }

    [Fact]
    public void Judges_by_runs_of_half_a_second_at_least()
    {
        // The first runs are slow to warm up; only the last may count.
        double measured = Pbkdf2Benchmark.MeasurePerSecond(
            iterations => TimeSpan.FromSeconds(iterations < 100_000 ? 0.4 : iterations / 1e6), CancellationToken.None);

        Assert.InRange(measured, 0.999e6, 1.001e6);
    }

    [Fact]
    public void Stops_between_runs_when_cancelled()
    {
        using var stop = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Pbkdf2Benchmark.MeasurePerSecond(
            _ =>
            {
                stop.Cancel();
                return TimeSpan.FromMilliseconds(1);
            },
            stop.Token));
    }

    [Theory]
    [InlineData(1e6, 2000, 2_000_000)]
    [InlineData(100, 1, 1000)]
    [InlineData(1e9, 60_000, int.MaxValue)]
    public void Turns_speed_and_time_into_iterations_within_the_limits(double perSecond, int milliseconds, long expected) =>
        Assert.Equal(expected, Pbkdf2Benchmark.IterationsFor(perSecond, TimeSpan.FromMilliseconds(milliseconds)));

    // Larger keys than the digest take a whole derivation per digest, and must be measured as such.
    [Fact]
    public void Measures_with_the_real_key_size()
    {
        // On a busy machine one measurement may be far out, not each of five.
        Assert.Contains(Enumerable.Range(0, 5).Select(_ => PerSecond(32) / PerSecond(64)), ratio => ratio is > 1.5 and < 2.7);
    }

    private static double PerSecond(int keySize) => Pbkdf2Benchmark.MeasurePerSecond(HashKind.Sha256, keySize, TestContext.Current.CancellationToken);
}
