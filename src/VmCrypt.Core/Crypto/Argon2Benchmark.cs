using System.Diagnostics;
using VmCrypt.Core.Crypto.MemoryHard;

namespace VmCrypt.Core.Crypto;

/// <summary>Chooses an Argon2 cost for a given time on this machine, by cryptsetup's rules: memory first, passes only when memory is at its limit.</summary>
public static class Argon2Benchmark
{
    /// <summary>cryptsetup makes no fewer.</summary>
    public const int MinPasses = 4;

    public const int DefaultMemoryKiB = 1024 * 1024;

    /// <summary>cryptsetup writes no more.</summary>
    public const int MaxLanes = 4;

    private const int LeastMemoryKiB = 64 * 1024;
    private const int FirstSamples = 3;
    private const int MostTries = 20;

    // What is shorter says too little; what is shorter still says nothing but that much more is needed.
    private static readonly TimeSpan s_conclusive = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_negligible = TimeSpan.FromMilliseconds(10);

    /// <summary>A cost that takes about <paramref name="target"/> here; measures for several times that.</summary>
    /// <param name="keySize">The real key size in bytes.</param>
    /// <param name="maxMemoryKiB">Taken as it is, but for what this machine should not give: half of its memory.</param>
    /// <param name="lanes">At most; no more than this machine has processors.</param>
    public static Argon2Cost Choose(
        Argon2Variant variant, int keySize, TimeSpan target, int maxMemoryKiB = DefaultMemoryKiB, int lanes = MaxLanes,
        CancellationToken cancellationToken = default)
    {
        byte[] key = new byte[keySize];
        return Choose(
            cost =>
            {
                // All lanes together count, so it is the time of day, not of a thread.
                long start = Stopwatch.GetTimestamp();
                Argon2.Derive(variant, "a passphrase"u8, "salt of 32 bytes, as LUKS has it"u8, cost, key, cancellationToken: cancellationToken);
                return Stopwatch.GetElapsedTime(start);
            },
            target, (int)Math.Min(maxMemoryKiB, MachineMemory.Read().ReasonableKiB), Math.Min(lanes, Environment.ProcessorCount), cancellationToken);
    }

    /// <param name="run">Does one computation and tells how long it took.</param>
    internal static Argon2Cost Choose(
        Func<Argon2Cost, TimeSpan> run, TimeSpan target, int maxMemoryKiB, int lanes, CancellationToken cancellationToken)
    {
        int minMemoryKiB = Math.Max(Math.Min(LeastMemoryKiB, maxMemoryKiB), lanes * Argon2Cost.MinMemoryKiBPerLane);
        var limits = new Limits(minMemoryKiB, Math.Max(maxMemoryKiB, minMemoryKiB));
        var cost = new Argon2Cost(minMemoryKiB, MinPasses, lanes);
        TimeSpan elapsed = Measure(run, cost, FirstSamples, s_conclusive);
        for (int tries = 0; elapsed < s_conclusive && tries < MostTries; tries++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Argon2Cost larger = limits.Grow(cost, elapsed < s_negligible ? 16 : s_conclusive / elapsed);
            if (larger == cost)
            {
                break;
            }

            cost = larger;
            elapsed = Measure(run, cost, FirstSamples, s_conclusive);
        }

        for (int tries = 0; tries < MostTries; tries++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Argon2Cost nearer = limits.Scale(cost, target / elapsed, out bool isFinal);
            if (isFinal || nearer == cost)
            {
                return nearer;
            }

            cost = nearer;
            elapsed = Measure(run, cost, samples: 1, target);
            if (elapsed >= 0.95 * target && elapsed <= 1.1 * target)
            {
                break;
            }
        }

        return cost;
    }

    // The shortest of some samples is the one that nothing disturbed; one that is too short already ends the search.
    private static TimeSpan Measure(Func<Argon2Cost, TimeSpan> run, Argon2Cost cost, int samples, TimeSpan enough)
    {
        TimeSpan shortest = TimeSpan.MaxValue;
        for (int sample = 0; sample < samples && shortest >= enough; sample++)
        {
            TimeSpan elapsed = run(cost);
            shortest = elapsed < shortest ? elapsed : shortest;
        }

        return shortest < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : shortest;
    }

    private readonly record struct Limits(int MinMemoryKiB, int MaxMemoryKiB)
    {
        /// <summary>More memory, or where there is no more, more passes.</summary>
        public Argon2Cost Grow(Argon2Cost cost, double factor) => cost.MemoryKiB < MaxMemoryKiB
            ? new Argon2Cost((int)Math.Min(cost.MemoryKiB * factor, MaxMemoryKiB), cost.Passes, cost.Lanes)
            : new Argon2Cost(cost.MemoryKiB, Passes(cost.Passes * factor), cost.Lanes);

        /// <summary>Down: passes first, then memory. Up: memory first, then passes. Final where a limit leaves nothing to measure.</summary>
        public Argon2Cost Scale(Argon2Cost cost, double factor, out bool isFinal)
        {
            isFinal = false;
            if (factor < 1 && cost.Passes * factor >= MinPasses)
            {
                return new Argon2Cost(cost.MemoryKiB, Passes(cost.Passes * factor), cost.Lanes);
            }

            // All the work in as few passes as it may have, unless it rises and its passes can stay.
            double memory = factor < 1 ? (double)cost.Passes / MinPasses * cost.MemoryKiB * factor : cost.MemoryKiB * factor;
            int passes = factor < 1 ? MinPasses : cost.Passes;
            if (memory < MinMemoryKiB)
            {
                isFinal = true;
                return new Argon2Cost(MinMemoryKiB, passes, cost.Lanes);
            }

            if (memory <= MaxMemoryKiB)
            {
                return new Argon2Cost((int)memory, passes, cost.Lanes);
            }

            int needed = Passes(cost.Passes * (cost.MemoryKiB * factor / MaxMemoryKiB));
            isFinal = needed == MinPasses;
            return new Argon2Cost(MaxMemoryKiB, needed, cost.Lanes);
        }

        private static int Passes(double passes) => (int)Math.Clamp(passes, MinPasses, int.MaxValue);
    }
}
