using VmCrypt.Fuzz;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Core.Tests.Fuzz;

/// <summary>Replays what tests/fuzz keeps: no sample, and nothing that was a defect once, may be one.</summary>
public sealed class CorpusTests
{
    public static TheoryData<string> Targets => [.. FuzzTargets.All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void Every_kept_input_is_used_or_refused(string name)
    {
        IFuzzTarget target = FuzzTargets.All.Single(candidate => candidate.Name == name);
        (string Name, byte[] Input)[] kept = [.. Corpus.Of(target)];

        Assert.NotEmpty(kept);
        Assert.All(kept, sample =>
        {
            Defect? defect = Trial.Run(target, sample.Input, new Trace());
            Assert.True(defect is null, $"{sample.Name}: {defect?.Report}");
        });
    }

    [Theory]
    [MemberData(nameof(Targets))]
    public void No_change_of_a_kept_input_does_harm(string name)
    {
        IFuzzTarget target = FuzzTargets.All.Single(candidate => candidate.Name == name);
        byte[][] kept = [.. Corpus.Of(target).Select(sample => sample.Input)];
        var random = new Random(1);
        var mutator = new Mutator(target, random);
        for (int run = 0; run < 200; run++)
        {
            byte[] input = mutator.Mutate(kept[random.Next(kept.Length)], kept[random.Next(kept.Length)]);
            Defect? defect = Trial.Run(target, input, new Trace());
            Assert.True(defect is null, $"Run {run}, input {Convert.ToBase64String(input.AsSpan(0, Math.Min(input.Length, 4096)))}: {defect?.Report}");
        }
    }
}
