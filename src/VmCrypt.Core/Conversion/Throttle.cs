using System.Diagnostics;

namespace VmCrypt.Core.Conversion;

/// <summary>Holds callers back so that, over the whole job, no more than a number of bytes pass in a second.</summary>
internal sealed class Throttle(long bytesPerSecond)
{
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _passed;

    public async ValueTask WaitAsync(long bytes, CancellationToken cancellationToken)
    {
        if (bytesPerSecond <= 0)
        {
            return;
        }

        var due = TimeSpan.FromSeconds((double)Interlocked.Add(ref _passed, bytes) / bytesPerSecond);
        TimeSpan early = due - Stopwatch.GetElapsedTime(_start);
        if (early > TimeSpan.Zero)
        {
            await Task.Delay(early, cancellationToken);
        }
    }
}
