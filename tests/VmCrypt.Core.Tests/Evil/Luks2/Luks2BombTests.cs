using System.Diagnostics;
using System.Text.Json.Nodes;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Luks.Luks2;

namespace VmCrypt.Core.Tests.Evil.Luks2;

/// <summary>Runs when nothing else does: what is allocated is counted for the whole process.</summary>
[CollectionDefinition(nameof(Luks2BombTests), DisableParallelization = true)]
[Collection(nameof(Luks2BombTests))]
public sealed class Luks2BombTests
{
    [Theory]
    [InlineData("depth", 1_000_000)]
    [InlineData("values", 1_000_000)]
    [InlineData("names", 300_000)]
    [InlineData("the same name", 800_000)]
    public async Task A_bomb_is_refused_at_once(string kind, int count)
    {
        (MemoryDevice device, _, _) = await Sample.FormatAsync(Sample.Luks2Options with { MetadataSize = 0x400000 });
        var disk = new Luks2Disk(device.ToArray());
        string bomb = kind switch
        {
            "depth" => new string('[', count) + new string(']', count),
            "values" => $"[{string.Join(',', Enumerable.Repeat("0", count))}]",
            "names" => $"{{{string.Join(',', Enumerable.Range(0, count).Select(name => $"\"{name}\":0"))}}}",
            _ => $"{{{string.Join(',', Enumerable.Repeat("\"\":0", count))}}}",
        };
        disk.Put(disk.Text()[..^1] + ",\"x\":" + bomb + "}");
        long before = GC.GetTotalAllocatedBytes(precise: true);
        var clock = Stopwatch.StartNew();

        var error = await Assert.ThrowsAsync<InvalidImageException>(() => Sample.OpenAsync(new MemoryDevice(disk.Bytes)));

        Assert.Equal(ErrorIds.Luks2JsonInvalid, error.ErrorId);
        // The copies themselves, read and hashed; nothing that grows with the text.
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 40L << 20);
        // What grows with the square of the text would take hours.
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 60);
    }

    [Theory]
    [InlineData("""{"type":"argon2id","time":4,"memory":4294967295,"cpus":4,"salt":"$"}""")]
    [InlineData("""{"type":"argon2id","time":4,"memory":4194305,"cpus":1,"salt":"$"}""")]
    [InlineData("""{"type":"argon2i","time":4294967295,"memory":32,"cpus":4,"salt":"$"}""")]
    [InlineData("""{"type":"pbkdf2","hash":"sha256","iterations":4294967295,"salt":"$"}""")]
    public async Task An_absurd_cost_is_refused_before_it_is_paid(string kdf)
    {
        (MemoryDevice device, _, _) = await Sample.FormatAsync(Sample.Luks2Options);
        var disk = new Luks2Disk(device.ToArray());
        disk.Edit(json => json["keyslots"]!["0"]!["kdf"] = JsonNode.Parse(kdf.Replace("$", Convert.ToBase64String(new byte[32]), StringComparison.Ordinal)));
        LuksHeader header = await Sample.OpenAsync(new MemoryDevice(disk.Bytes));
        long before = GC.GetTotalAllocatedBytes(precise: true);

        var error = await Assert.ThrowsAsync<UnsupportedFeatureException>(() => header.UnlockAsync(Sample.Passphrase, 0));

        Assert.Equal(ErrorIds.KdfCostTooHigh, error.ErrorId);
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 1L << 20);
    }
}
