using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Wipe.Engine;

/// <summary>Does I/O on a range; where the medium fails, halves the range down to single units, tries those again, and gives them up.</summary>
internal static class Narrowing
{
    private const int TriesPerUnit = 3;

    /// <param name="unit">Bytes of the smallest piece that can fail alone.</param>
    /// <param name="range">In whole units.</param>
    /// <param name="io">Moves the bytes of a part or throws <see cref="ErrorIds.DeviceIO"/>; other errors end the run.</param>
    /// <param name="giveUp">Is told each unit that failed every time.</param>
    public static async ValueTask RunAsync(int unit, ByteRange range, Func<ByteRange, ValueTask> io, Action<ByteRange> giveUp)
    {
        if (await TryAsync(io, range))
        {
            return;
        }

        if (range.Length > unit)
        {
            long half = Math.Max(unit, range.Length / 2 / unit * unit);
            await RunAsync(unit, new ByteRange(range.Offset, half), io, giveUp);
            await RunAsync(unit, new ByteRange(range.Offset + half, range.Length - half), io, giveUp);
            return;
        }

        for (int tries = 1; tries < TriesPerUnit; tries++)
        {
            if (await TryAsync(io, range))
            {
                return;
            }
        }

        giveUp(range);
    }

    private static async ValueTask<bool> TryAsync(Func<ByteRange, ValueTask> io, ByteRange range)
    {
        try
        {
            await io(range);
            return true;
        }
        catch (DeviceFaultException fault) when (fault.ErrorId == ErrorIds.DeviceIO)
        {
            return false;
        }
    }
}
