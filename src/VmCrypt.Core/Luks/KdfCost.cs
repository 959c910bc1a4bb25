using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks;

/// <summary>How dear one guess of a passphrase is to be: a time on this machine, or a fixed number of iterations.</summary>
public sealed record KdfCost
{
    /// <summary>The least that cryptsetup accepts, and what QEMU writes at least.</summary>
    public const long MinIterations = Pbkdf2Benchmark.MinIterations;

    /// <summary>The most that OpenSSL can count, and so the most that cryptsetup can open.</summary>
    public const long MaxIterations = Pbkdf2.MaxIterations;

    private static readonly TimeSpan s_longestTime = TimeSpan.FromMinutes(10);

    private KdfCost()
    {
    }

    /// <summary>Two seconds, like QEMU and cryptsetup.</summary>
    public static KdfCost Default { get; } = OfTime(TimeSpan.FromSeconds(2));

    /// <summary>How long unlocking one slot is to take; null where <see cref="Iterations"/> is set.</summary>
    public TimeSpan? IterTime { get; private init; }

    /// <summary>Forced iterations; null where <see cref="IterTime"/> is set.</summary>
    public long? Iterations { get; private init; }

    /// <summary>Measures this machine and takes as many iterations as fit into <paramref name="time"/>.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KdfCostInvalid"/>.</exception>
    public static KdfCost OfTime(TimeSpan time) => time >= TimeSpan.FromMilliseconds(1) && time <= s_longestTime
        ? new KdfCost { IterTime = time }
        : throw new InvalidInputException(ErrorIds.KdfCostInvalid,
            $"The iteration time is {time.TotalMilliseconds} ms, but must be 1 to {s_longestTime.TotalMilliseconds} ms.");

    /// <summary>Exactly <paramref name="iterations"/> of PBKDF2.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KdfCostInvalid"/>.</exception>
    public static KdfCost OfIterations(long iterations) => iterations is >= MinIterations and <= MaxIterations
        ? new KdfCost { Iterations = iterations }
        : throw new InvalidInputException(ErrorIds.KdfCostInvalid,
            $"{iterations} iterations were asked for, but {MinIterations} to {MaxIterations} are allowed.");
}
