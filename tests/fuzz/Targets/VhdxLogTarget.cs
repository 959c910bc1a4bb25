using VmCrypt.Core.Images.Vhdx;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>The log of a VHDX file: who reads must see what a writer makes of it, and who comes later, too.</summary>
internal sealed class VhdxLogTarget : IFuzzTarget
{
    private const int MaxRead = 4 * VhdxInput.MiB;

    public string Name => "vhdx-log";

    public IReadOnlyList<string> Samples => ["vhdx"];

    public IReadOnlyList<byte[]> Words => VhdxInput.Words;

    public IReadOnlyList<Field> Fields => VhdxInput.Fields;

    public byte[] FromSample(byte[] sample) => VhdxInput.FromSample(sample);

    public void Run(ReadOnlySpan<byte> input, Trace trace) => Sync.Wait(RunAsync(input.ToArray(), trace));

    private static async Task RunAsync(byte[] input, Trace trace)
    {
        SparseDisk disk = await VhdxInput.ExpandAsync(input, trace);
        byte[] seen = await ReadAsync(await OpenAsync(disk, writable: false, trace));
        await using (VhdxImage writer = await OpenAsync(disk, writable: true, trace))
        {
            trace.Note($"pending {writer.Facts.IsLogPending}");
            await writer.FlushAsync(default);
            await writer.TrimAsync(0, 0, default);
            DefectException.Unless(!writer.Facts.IsLogPending, "The log still waits after the first change.");
            DefectException.Unless((await ReadAsync(writer)).AsSpan().SequenceEqual(seen), "Replaying in the file gives another disk than replaying in memory.");
        }

        await using VhdxImage later = await OpenAsync(disk, writable: false, trace);
        DefectException.Unless(!later.Facts.IsLogPending, "A closed file has a log that waits.");
        DefectException.Unless((await ReadAsync(later)).AsSpan().SequenceEqual(seen), "The disk has changed when it was closed.");
    }

    private static async Task<VhdxImage> OpenAsync(SparseDisk disk, bool writable, Trace trace)
    {
        VhdxImage image = await VhdxImage.OpenAsync(disk, new VhdxOpenOptions { Writable = writable }, default);
        if (image.Parent is not null)
        {
            image.AttachParent(new SparseDisk([1, 2, 3], 4096, trace, writable: false));
        }

        return image;
    }

    private static async Task<byte[]> ReadAsync(VhdxImage image)
    {
        byte[] start = new byte[(int)Math.Min(image.Length, MaxRead)];
        await image.ReadAsync(0, start, default);
        return start;
    }
}
