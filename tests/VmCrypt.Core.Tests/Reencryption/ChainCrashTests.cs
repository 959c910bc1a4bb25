using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>Conversions of whole chains, stopped between their layers and inside of them, and gone on with.</summary>
public sealed class ChainCrashTests : IDisposable
{
    // Every write inside of a layer is stopped at by the tests of a single image.
    private const int Step = 97;

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData(ReencryptionMode.Encrypt, ImageFormat.Raw)]
    [InlineData(ReencryptionMode.Reencrypt, ImageFormat.Raw)]
    [InlineData(ReencryptionMode.Reencrypt, ImageFormat.Qcow2)]
    [InlineData(ReencryptionMode.Decrypt, ImageFormat.Raw)]
    public async Task A_process_that_dies_leaves_a_chain_that_the_same_command_or_a_resumption_finishes(ReencryptionMode mode, ImageFormat baseFormat)
    {
        ChainSample before = await ChainSample.CreateAsync(_scratch, mode, baseFormat);
        var all = new CrashPlan(int.MaxValue);
        var boundaries = new List<int>();
        ChainSample whole = before.Clone(_scratch, "whole");
        Assert.False(await whole.StopAsync(all, boundaries));
        await whole.VerifyAsync();
        Assert.Equal(ChainSample.Names.Length, boundaries.Count);

        int opened = 0;
        IEnumerable<int> around = boundaries.SelectMany(boundary => new[] { boundary - 1, boundary });
        foreach (int effects in around.Concat(Enumerable.Range(0, all.Spent).Where(at => at % Step == 0)).Where(at => at >= 0).Distinct())
        {
            ChainSample sample = before.Clone(_scratch, $"{effects}");
            Assert.True(await sample.StopAsync(new CrashPlan(effects)));
            opened += await sample.RequireSoundAsync() ? 1 : 0;
            await sample.GoOnAsync(resume: effects % 2 == 1);
            await sample.VerifyAsync();
        }

        Assert.True(opened >= ChainSample.Names.Length, "between its layers the chain does not open");
    }
}
