using System.Buffers.Binary;
using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhd;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>A VHD file: opened and read, then used by a guest.</summary>
/// <remarks>
/// The input is the file's start; a hole follows, and the footer again. Checksums are made good, unless the last byte is odd; the
/// two bits above it make the footer of the end, or of the start, alone.
/// </remarks>
internal sealed class VhdTarget : IFuzzTarget
{
    private const int FooterBytes = 512;
    private const int HeaderBytes = 1024;
    private const int SampleBytes = 8192;
    private const long FileBytes = (8 * 1024 * 1024) + FooterBytes;
    private const int ParentSize = 100_352;

    private static readonly byte[][] s_script = [[0, 0, 0, 90], [3, 64, 0, 200], [0, 128, 1, 50], [5, 0, 0, 255], [6, 0, 0, 0], [0, 255, 0, 40], [4, 100, 0, 77]];

    public string Name => "vhd";

    public IReadOnlyList<byte[]> Words { get; } = Text.Words("conectix", "cxsparse", "W2ru", "W2ku", "win ", "vpc ", "qem2", "\xff\xff\xff\xff", "\0\0\0\x02", "\0\0\0\x03", "\0\0\0\x04", "\0\x20\0\0");

    public IReadOnlyList<Field> Fields { get; } =
    [
        new(12, 4), new(16, 8), new(40, 8), new(48, 8), new(56, 2), new(58, 1), new(59, 1), new(60, 4), new(84, 1),
        new(528, 8), new(536, 4), new(540, 4), new(544, 4), new(1088, 4), new(1096, 4), new(1104, 8), new(1536, 4), new(1540, 4), new(4096, 4),
    ];

    public byte[] FromSample(byte[] sample) => [.. sample.AsSpan(0, Math.Min(SampleBytes, sample.Length)), 0];

    public void Run(ReadOnlySpan<byte> input, Trace trace) => Sync.Wait(RunAsync(input.ToArray(), trace));

    private static async Task RunAsync(byte[] input, Trace trace)
    {
        SparseDisk file = await ExpandAsync(input, trace);
        await using (IVirtualDisk reader = await OpenAsync(file, writable: false, trace))
        {
            await DiskReader.TryAsync(trace, () => DiskReader.ReadAsync(AlignedDevice.Over(reader), trace));
            await HostMapReader.ReadAsync((IHostMapped)reader, file.Length, trace);
        }

        byte[]? model;
        await using (IBlockDevice disk = AlignedDevice.Over(await OpenAsync(file, writable: true, trace)))
        {
            var guest = new ModelledGuest(disk, trace);
            if (!await guest.TryModelAsync())
            {
                return;
            }

            foreach (byte[] step in s_script)
            {
                await guest.StepAsync(step);
            }

            model = guest.Model;
        }

        // Blocks that share a place change each other.
        await using IBlockDevice again = AlignedDevice.Over(await OpenAsync(file, writable: false, trace));
        trace.Note("length", again.Length);
        DefectException.Unless(again.Length == model!.Length, "The disk has another size when it is opened again.");
    }

    private static async Task<IVirtualDisk> OpenAsync(SparseDisk file, bool writable, Trace trace)
    {
        IVirtualDisk disk = await VhdImage.OpenAsync(file, new VhdOpenOptions { Writable = writable }, default);
        trace.Note($"{disk.Kind}", disk.Length);
        if (disk.Parent is not null)
        {
            disk.AttachParent(new SparseDisk([1, 2, 3], ParentSize, trace, writable: false));
        }

        return disk;
    }

    private static async Task<SparseDisk> ExpandAsync(byte[] input, Trace trace)
    {
        byte[] start = new byte[Math.Max(input.Length, FooterBytes + HeaderBytes)];
        input.CopyTo(start, 0);
        int flags = input is [.., var last] ? last : 1;
        if ((flags & 1) == 0)
        {
            BinaryPrimitives.WriteUInt32BigEndian(start.AsSpan(64), VhdChecksum.Of(start.AsSpan(0, FooterBytes), 64));
            BinaryPrimitives.WriteUInt32BigEndian(start.AsSpan(FooterBytes + 36), VhdChecksum.Of(start.AsSpan(FooterBytes, HeaderBytes), 36));
        }

        var file = new SparseDisk(start, FileBytes, trace);
        if ((flags & 4) == 0)
        {
            await file.WriteAsync(FileBytes - FooterBytes, start.AsMemory(0, FooterBytes), default);
        }

        if ((flags & 2) != 0)
        {
            await file.ZeroAsync(0, FooterBytes, ZeroFlags.None, default);
        }

        return file;
    }
}
