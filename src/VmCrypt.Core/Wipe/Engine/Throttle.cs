namespace VmCrypt.Core.Wipe.Engine;

/// <summary>Holds several workers together to a rate.</summary>
/// <param name="bytesPerSecond">0 for no limit.</param>
internal sealed class Throttle(long bytesPerSecond, TimeProvider clock)
{
    private readonly Lock _gate = new();
    private readonly long _start = clock.GetTimestamp();

    // When, in seconds since the start, all that was granted so far has been paid for.
    private double _paid;

    /// <summary>Returns when <paramref name="count"/> more bytes may go. Time in which nobody asked is not saved up.</summary>
    public async ValueTask TakeAsync(int count, CancellationToken cancellationToken)
    {
        if (bytesPerSecond == 0)
        {
            return;
        }

        double wait;
        lock (_gate)
        {
            double now = clock.GetElapsedTime(_start).TotalSeconds;
            wait = Math.Max(0, _paid - now);
            _paid = Math.Max(_paid, now) + ((double)count / bytesPerSecond);
        }

        if (wait > 0)
        {
            await Task.Delay(TimeSpan.FromSeconds(wait), clock, cancellationToken);
        }
    }
}
