using System.Diagnostics;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Luks.Luks2;

namespace VmCrypt.Core.Tests.Evil.Luks2;

/// <summary>Runs when nothing else does: what is allocated is counted for the whole process.</summary>
[CollectionDefinition(nameof(Luks2BombTests), DisableParallelization = true)]
[Collection(nameof(Luks2BombTests))]
public sealed class Luks2BombTests
{
    [Theory]
    [InlineData("depth of a million", 1_000_000)]
    [InlineData("a million values", 1_000_000)]
    public async Task A_bomb_is_refused_at_once(string kind, int count)
    {
        (MemoryDevice device, _, _) = await Sample.FormatAsync(Sample.Luks2Options with { MetadataSize = 0x400000 });
        var disk = new Luks2Disk(device.ToArray());
        string bomb = kind.StartsWith("depth", StringComparison.Ordinal)
            ? new string('[', count) + new string(']', count)
            : "[" + string.Join(',', Enumerable.Repeat("0", count)) + "]";
        disk.Put(disk.Text()[..^1] + ",\"x\":" + bomb + "}");
        long before = GC.GetTotalAllocatedBytes(precise: true);
        var clock = Stopwatch.StartNew();

        var error = await Assert.ThrowsAsync<InvalidImageException>(() => Sample.OpenAsync(new MemoryDevice(disk.Bytes)));

        Assert.Equal(ErrorIds.Luks2JsonInvalid, error.ErrorId);
        // The copies themselves, read and hashed; nothing that grows with the text.
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 40L << 20);
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 5);
    }
}
