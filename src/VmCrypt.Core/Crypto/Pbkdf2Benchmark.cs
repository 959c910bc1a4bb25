namespace VmCrypt.Core.Crypto;

/// <summary>Finds how many iterations of PBKDF2 take a given time on this machine, as cryptsetup and QEMU do.</summary>
public static class Pbkdf2Benchmark
{
    /// <summary>What both tools write at least, however slow the machine (NIST SP 800-132).</summary>
    public const long MinIterations = 1000;

    private const long FirstTry = 1 << 15;

    // A shorter run says too little; cryptsetup's own threshold.
    private static readonly TimeSpan s_conclusive = TimeSpan.FromMilliseconds(500);

    /// <summary>Iterations per second of one core; measures for about a second.</summary>
    /// <param name="keySize">The real key size in bytes: one longer than the digest costs a run of its own per digest.</param>
    public static double MeasurePerSecond(HashKind hash, int keySize, CancellationToken cancellationToken = default)
    {
        byte[] key = new byte[keySize];
        return MeasurePerSecond(
            iterations =>
            {
                TimeSpan start = ThreadClock.Now;
                Pbkdf2.Derive(hash, "a passphrase"u8, "salt of 32 bytes, as LUKS has it"u8, iterations, key);
                return ThreadClock.Now - start;
            },
            cancellationToken);
    }

    /// <summary>The iterations to write for an unlock that takes <paramref name="target"/>.</summary>
    public static long IterationsFor(double perSecond, TimeSpan target) =>
        (long)Math.Clamp(perSecond * target.TotalSeconds, MinIterations, Pbkdf2.MaxIterations);

    /// <param name="run">Does so many iterations and tells how long they took.</param>
    internal static double MeasurePerSecond(Func<long, TimeSpan> run, CancellationToken cancellationToken)
    {
        for (long iterations = FirstTry; ;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            TimeSpan elapsed = run(iterations);
            if (elapsed >= s_conclusive || iterations == Pbkdf2.MaxIterations)
            {
                return iterations / Math.Max(elapsed.TotalSeconds, double.Epsilon);
            }

            // Aim a little beyond the threshold; a first run of almost nothing may not aim far.
            double factor = Math.Clamp(1.2 * s_conclusive / (elapsed + TimeSpan.FromTicks(1)), 2, 16);
            iterations = (long)Math.Min(iterations * factor, Pbkdf2.MaxIterations);
        }
    }
}
