using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>Reads a disk as far as that makes sense, and holds it to what it says of itself.</summary>
internal static class DiskReader
{
    private const int MaxRuns = 2000;
    private const int ReadSize = 64 * 1024;

    /// <summary>The start of each extent, and the end of the disk.</summary>
    public static async Task ReadAsync(IBlockDevice device, Trace trace)
    {
        byte[] buffer = new byte[ReadSize];
        long at = 0;
        int runs = 0;
        await foreach (Extent extent in device.ExtentsAsync(0, device.Length, default))
        {
            trace.Note($"extent {extent.Kind}", extent.Length);
            DefectException.Unless(extent.Offset == at && extent.Length > 0, "The extents have a gap or an empty one.");
            at = extent.End;
            Memory<byte> target = buffer.AsMemory(0, (int)Math.Min(extent.Length, ReadSize) & -device.Traits.RequiredAlignment);
            target.Span.Clear();
            await TryAsync(trace, () => device.ReadAsync(extent.Offset, target, default).AsTask());
            DefectException.Unless(
                extent.Kind == ExtentKind.Data || !target.Span.ContainsAnyExcept((byte)0), "An extent that is no data does not read as zeros.");
            if (++runs == MaxRuns)
            {
                return;
            }
        }

        DefectException.Unless(at == device.Length, "The extents do not end at the end of the disk.");
        int last = (int)Math.Min(device.Length, ReadSize) & -device.Traits.RequiredAlignment;
        await device.ReadAsync(device.Length - last & -device.Traits.RequiredAlignment, buffer.AsMemory(0, last), default);
    }

    /// <summary>One refused part does not end the input: the others may be sound.</summary>
    public static async Task TryAsync(Trace trace, Func<Task> part)
    {
        try
        {
            await part();
        }
        catch (VmCryptException reason)
        {
            trace.Note(reason.ErrorId);
        }
    }
}
