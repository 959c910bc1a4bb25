using System.Diagnostics;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Engine;

namespace VmCrypt.Core.Wipe;

/// <summary>Guesses how long a wipe takes from a few reads all over the target.</summary>
internal static class SpeedProbe
{
    private const int Reads = 8;

    /// <summary>Null where there is nothing to read, or it cannot be read.</summary>
    public static async Task<TimeSpan?> EstimateAsync(IWipeMedium medium, long work, long limit, CancellationToken cancellationToken)
    {
        if (work == 0 || medium.Map.TotalBytes == 0)
        {
            return null;
        }

        using IDisposable buffer = new AlignedBuffer(ChunkPump.ChunkSize);
        long bytes = 0;
        long start = Stopwatch.GetTimestamp();
        try
        {
            for (int i = 0; i < Reads; i++)
            {
                Chunk chunk = medium.Map.ChunksFrom(medium.Map.TotalBytes / Reads * i, ChunkPump.ChunkSize).First();
                int count = (int)Math.Min(chunk.Length, medium.Device.Length - chunk.Offset) / medium.Unit * medium.Unit;
                int lead = (int)(chunk.Offset % medium.Unit);
                if (count > 0 && lead == 0)
                {
                    await medium.Device.ReadAsync(chunk.Offset, ((AlignedBuffer)buffer).Memory[..count], cancellationToken);
                    bytes += count;
                }
            }
        }
        catch (DeviceFaultException)
        {
            return null;
        }

        double rate = bytes / Stopwatch.GetElapsedTime(start).TotalSeconds;
        return bytes == 0 ? null : TimeSpan.FromSeconds(work / (limit > 0 ? Math.Min(rate, limit) : rate));
    }
}
