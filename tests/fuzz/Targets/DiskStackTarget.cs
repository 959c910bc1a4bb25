using VmCrypt.Core.Block;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>A file of unknown format: recognised, described, opened with all that it names, unlocked and read.</summary>
/// <remarks>The first byte says how: bit 0 for writing, bits 1 and 2 which format is named, bit 3 what lies inside, bit 4 a detached header.</remarks>
internal sealed class DiskStackTarget : IFuzzTarget
{
    private const long MaxCost = 4000;

    private static readonly ImageFormat?[] s_formats = [null, ImageFormat.Raw, ImageFormat.Qcow2, ImageFormat.Luks];

    // What images name, beside them: backing files and data files.
    private readonly ScratchFolder _folder = new(path =>
    {
        foreach (string name in new[] { "base.raw", "data.raw", "data2.raw", "data" })
        {
            File.WriteAllBytes(Path.Combine(path, name), [.. Enumerable.Repeat((byte)0xB0, 128 * 1024)]);
        }
    });

    public string Name => "disk-stack";

    public IReadOnlyList<string> Samples => ["qcow2", "qcow", "luks1", "luks2"];

    public int MaxLength => Qcow2Words.MaxLength;

    public IReadOnlyList<byte[]> Words { get; } = [.. Qcow2Words.All, .. Text.Words("LUKS\xba\xbe\0\x01", "LUKS\xba\xbe\0\x02", "SKUL\xba\xbe", "vhdxfile", "conectix", "base.raw", "data.raw", "disk.img")];

    public IReadOnlyList<Field> Fields { get; } = [new(0, 1), .. Qcow2Words.Fields(1)];

    public byte[] FromSample(byte[] sample) => [0, .. sample];

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (!input.IsEmpty)
        {
            byte how = input[0];
            Sync.Wait(RunAsync(DiskLocation.Parse(_folder.Write("disk.img", input[1..])), how, trace));
        }
    }

    private static async Task RunAsync(DiskLocation location, byte how, Trace trace)
    {
        var options = new DiskOpenOptions
        {
            Writable = (how & 1) != 0,
            Format = s_formats[how >> 1 & 3],
            PayloadFormat = (how & 8) != 0 ? ImageFormat.Qcow2 : null,
            HeaderPath = (how & 16) != 0 ? location.Text : null,
        };
        await DiskReader.TryAsync(trace, async () =>
        {
            ImageDescription facts = await ImageInspector.DescribeAsync(location, options, default);
            trace.Note($"{facts.Format} {facts.Encryption} {facts.Unusable?.ErrorId} {facts.Weaknesses.Length}", facts.VirtualSize);
        });
        await using DiskStack disk = await DiskStack.OpenAsync(location, options, default);
        if (disk.Luks is { } luks && !IsCheap(luks.Facts))
        {
            return;
        }

        using var keys = new DiskKeys(Text.Secret("fuzz"));
        IBlockDevice plain = await disk.UnlockAsync(keys, default);
        await DiskReader.ReadAsync(plain, trace);
        if (plain.Traits.CanWrite)
        {
            await plain.WriteAsync(plain.Length / 3, new byte[(int)Math.Min(5000, plain.Length / 2)], default);
            await plain.FlushAsync(default);
        }
    }

    private static bool IsCheap(LuksFacts facts) =>
        facts.DigestIterations <= MaxCost && facts.Slots.All(slot => slot.Iterations * Math.Max(1, slot.MemoryKiB) <= MaxCost);
}
