using System.Diagnostics;

namespace VmCrypt.Bench;

/// <summary>The same job by us and by the peer, in turns; the best of each side counts: the one that nothing else on the machine disturbed.</summary>
internal static class Race
{
    private const int Rounds = 3;

    /// <param name="amount">What the job does, in <paramref name="unit"/> without its "per second".</param>
    /// <param name="peer">Null where the peer is missing.</param>
    /// <param name="prepare">Not measured; before each turn.</param>
    public static Figure Run(
        string job, string unit, double amount, string peerName, Action ours, Func<TimeSpan?> peer, double? goal, Action? prepare = null)
    {
        TimeSpan best = TimeSpan.MaxValue;
        TimeSpan? peerBest = null;
        for (int round = 0; round < Rounds; round++)
        {
            prepare?.Invoke();
            long start = Stopwatch.GetTimestamp();
            ours();
            best = TimeSpan.FromTicks(Math.Min(best.Ticks, Stopwatch.GetElapsedTime(start).Ticks));
            prepare?.Invoke();
            peerBest = peer() is { } elapsed && (peerBest is null || elapsed < peerBest) ? elapsed : peerBest;
        }

        return new Figure(job, unit, amount / best.TotalSeconds, peerName, amount / peerBest?.TotalSeconds, goal);
    }
}
