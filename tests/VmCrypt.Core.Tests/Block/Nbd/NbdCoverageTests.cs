using VmCrypt.Core.Block.Nbd;

namespace VmCrypt.Core.Tests.Block.Nbd;

public sealed class NbdCoverageTests
{
    [Fact]
    public void Agrees_with_a_list_of_bytes_over_random_chunks()
    {
        for (int seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            bool[] model = new bool[64];
            var coverage = new NbdCoverage();
            for (int step = 0; step < 60; step++)
            {
                int start = random.Next(64);
                int length = random.Next(1, Math.Min(12, 65 - start));
                bool free = !model.AsSpan(start, length).Contains(true);

                bool added = coverage.TryAdd((uint)start, (uint)length);

                Assert.Equal(free, added);
                if (added)
                {
                    model.AsSpan(start, length).Fill(true);
                }

                Assert.Equal(!model.Contains(false), coverage.IsWhole(64));
            }
        }
    }

    [Fact]
    public void Gives_up_on_a_server_that_scatters_single_bytes()
    {
        var coverage = new NbdCoverage();

        Assert.Contains(false, Enumerable.Range(1, 5000).Select(i => coverage.TryAdd((uint)i * 2, 1)));
    }
}
