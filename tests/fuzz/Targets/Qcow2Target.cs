using VmCrypt.Core.Block;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Luks;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>A qcow2 image: opened, checked, mapped, read with its snapshots and bitmaps.</summary>
internal sealed class Qcow2Target : IFuzzTarget
{
    private const int MaxRuns = 2000;
    private const int MaxSnapshots = 4;

    // An input that ends so stands at the start of a file with a long hole behind it, where large tables fit.
    private const byte HoleMark = 0xA5;
    private const long Hole = 64 * 1024 * 1024;

    public string Name => "qcow2";

    public int MaxLength => Qcow2Words.MaxLength;

    public IReadOnlyList<byte[]> Words => Qcow2Words.All;

    public IReadOnlyList<Field> Fields { get; } = Qcow2Words.Fields(0);

    public void Run(ReadOnlySpan<byte> input, Trace trace) => Sync.Wait(RunAsync(input.ToArray(), trace));

    private static async Task RunAsync(byte[] input, Trace trace)
    {
        var disk = new SparseDisk(input, input.Length + (input is [.., HoleMark] ? Hole : 0), trace, writable: false);
        await using Qcow2Image image = await OpenQcow2.OpenAsync(disk, writable: false, trace);
        NoteFacts(image, trace);
        await DiskReader.TryAsync(trace, async () => (await image.ReadBitmapsAsync(default)).ToList().ForEach(bitmap => trace.Note("bitmap", bitmap.Granularity)));
        await DiskReader.TryAsync(trace, () => MapAsync(image, trace));
        await DiskReader.TryAsync(trace, () => DiskReader.ReadAsync(image, trace));
        await DiskReader.TryAsync(trace, () => OpenLuksAsync(image, trace));
        foreach (Qcow2Snapshot snapshot in image.Snapshots.Take(MaxSnapshots))
        {
            await DiskReader.TryAsync(trace, async () =>
            {
                await using IBlockDevice frozen = await image.OpenSnapshotAsync(snapshot.Id, default);
                await DiskReader.ReadAsync(frozen, trace);
            });
        }

        if (input is not [.., HoleMark])
        {
            Qcow2CheckResult check = await Qcow2Check.RunAsync(disk, default);
            trace.Note("corruptions", check.Corruptions);
            trace.Note("leaks", check.LeakedClusters);
            await HostMapReader.ReadAsync(image, disk.Length, trace);
        }
    }

    private static void NoteFacts(Qcow2Image image, Trace trace)
    {
        trace.Note($"{image.Facts.Version} {image.Facts.ExtendedL2} {image.Facts.CryptMethod} {image.Facts.HasDataFile}");
        trace.Note("cluster", image.Facts.ClusterSize);
        trace.Note("length", image.Length);
        trace.Note("snapshots", image.Snapshots.Count);
    }

    private static async Task MapAsync(Qcow2Image image, Trace trace)
    {
        long at = 0;
        int runs = 0;
        await foreach (Qcow2Mapping mapping in image.MapAsync(0, image.Length, default))
        {
            DefectException.Unless(mapping.GuestOffset == at && mapping.Length > 0, "The map has a gap or an empty run.");
            at += mapping.Length;
            trace.Note($"map {mapping.Kind}", mapping.Length);
            if (++runs == MaxRuns)
            {
                return;
            }
        }

        DefectException.Unless(at == image.Length, "The map does not end at the end of the disk.");
    }

    private static async Task OpenLuksAsync(Qcow2Image image, Trace trace)
    {
        if (image.OpenEncryptionHeader() is { } area)
        {
            LuksFacts facts = await LuksHeader.DescribeAsync(area, new LuksOpenOptions { Placement = LuksPlacement.Embedded }, default);
            trace.Note(facts.Cipher);
        }
    }
}
