using VmCrypt.Core.Block;

namespace VmCrypt.Commands.Host;

/// <summary>Turns what a job reports, from any thread and as often as it likes, into a few reports with rate and time left.</summary>
internal sealed class ProgressMeter(Action<ProgressReport> show, TimeProvider clock) : IProgress<JobProgress>
{
    // Short jobs show nothing; longer ones change their line a few times a second.
    private static readonly TimeSpan s_silence = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(200);

    // Weight of the newest interval in the smoothed rate: about three seconds of memory.
    private const double Smoothing = 0.07;

    private readonly Lock _lock = new();
    private readonly long _start = clock.GetTimestamp();
    private JobProgress _last;
    private long _lastTime = clock.GetTimestamp();
    private double _bytesPerSecond;

    public void Report(JobProgress value)
    {
        lock (_lock)
        {
            long now = clock.GetTimestamp();
            if (value.Activity != _last.Activity)
            {
                _last = value with { DoneBytes = value.BeforeBytes };
                _bytesPerSecond = 0;
            }

            TimeSpan passed = clock.GetElapsedTime(_lastTime, now);
            // Parallel workers report out of order: what was done stays done.
            if (passed < s_interval || value.DoneBytes < _last.DoneBytes)
            {
                return;
            }

            double rate = (value.DoneBytes - _last.DoneBytes) / passed.TotalSeconds;
            _bytesPerSecond = _bytesPerSecond == 0 ? rate : (_bytesPerSecond * (1 - Smoothing)) + (rate * Smoothing);
            _last = value;
            _lastTime = now;
            if (clock.GetElapsedTime(_start, now) >= s_silence)
            {
                show(Describe(value));
            }
        }
    }

    private ProgressReport Describe(JobProgress value)
    {
        string rate = $"{ByteSize.Format((long)_bytesPerSecond)}/s{(value.Detail is { } detail ? $", {detail}" : string.Empty)}";
        if (value.TotalBytes <= 0)
        {
            return new ProgressReport(value.Activity, $"{ByteSize.Format(value.DoneBytes)}, {rate}", -1, -1);
        }

        double left = (value.TotalBytes - value.DoneBytes) / _bytesPerSecond;
        return new ProgressReport(
            value.Activity,
            $"{ByteSize.Format(value.DoneBytes)} of {ByteSize.Format(value.TotalBytes)}, {rate}",
            (int)(100.0 * value.DoneBytes / value.TotalBytes),
            left < int.MaxValue ? (int)Math.Ceiling(left) : -1);
    }
}
