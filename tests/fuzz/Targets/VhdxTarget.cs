using VmCrypt.Core.Block;
using VmCrypt.Core.Images.Vhdx;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>A VHDX file: opened, its log replayed in memory, read.</summary>
internal sealed class VhdxTarget : IFuzzTarget
{
    private const int ParentSize = 100_352;

    public string Name => "vhdx";

    public IReadOnlyList<byte[]> Words => VhdxInput.Words;

    public IReadOnlyList<Field> Fields => VhdxInput.Fields;

    public byte[] FromSample(byte[] sample) => VhdxInput.FromSample(sample);

    public void Run(ReadOnlySpan<byte> input, Trace trace) => Sync.Wait(RunAsync(input.ToArray(), trace));

    private static async Task RunAsync(byte[] input, Trace trace)
    {
        SparseDisk file = await VhdxInput.ExpandAsync(input, trace);
        await using VhdxImage image = await VhdxImage.OpenAsync(file, new VhdxOpenOptions(), default);
        trace.Note($"{image.Kind} {image.Facts.LogicalSectorSize} {image.Facts.IsLogPending}", image.Length);
        if (image.Parent is not null)
        {
            image.AttachParent(new SparseDisk([1, 2, 3], ParentSize, trace, writable: false));
        }

        await DiskReader.TryAsync(trace, () => DiskReader.ReadAsync(AlignedDevice.Over(image), trace));
        if (!image.Facts.IsLogPending)
        {
            await HostMapReader.ReadAsync(image, file.Length, trace);
        }
    }
}
