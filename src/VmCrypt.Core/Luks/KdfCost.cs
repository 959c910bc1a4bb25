using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks;

/// <summary>What makes guessing a passphrase dear.</summary>
public enum KdfKind
{
    /// <summary>Time only; all that LUKS1 has.</summary>
    Pbkdf2,

    /// <summary>Time and memory; the older of the two.</summary>
    Argon2i,

    /// <summary>Time and memory; what LUKS2 headers have by default.</summary>
    Argon2id,
}

/// <summary>How dear one guess of a passphrase is to be: a time on this machine, or forced parameters.</summary>
public sealed record KdfCost
{
    /// <summary>The least that cryptsetup accepts, and what QEMU writes at least.</summary>
    public const long MinIterations = Pbkdf2Benchmark.MinIterations;

    /// <summary>The most that OpenSSL can count, and so the most that cryptsetup can open.</summary>
    public const long MaxIterations = Pbkdf2.MaxIterations;

    /// <summary>The fewest passes of Argon2 that cryptsetup makes.</summary>
    public const long MinPasses = Argon2Benchmark.MinPasses;

    /// <summary>cryptsetup's least memory of Argon2, which is for tests.</summary>
    public const long MinMemoryKiB = 32;

    /// <summary>cryptsetup's most memory of Argon2, 4 GiB.</summary>
    public const long MaxMemoryKiB = Argon2Cost.MaxMemoryKiB;

    /// <summary>cryptsetup's most lanes of Argon2.</summary>
    public const int MaxLanes = Argon2Benchmark.MaxLanes;

    /// <summary>KiB that Argon2 may fill in all of its passes: hours on any machine.</summary>
    internal const long MaxArgon2Work = 1L << 34;

    private static readonly TimeSpan s_longestTime = TimeSpan.FromMinutes(10);

    private KdfCost()
    {
    }

    /// <summary>Two seconds, like QEMU and cryptsetup.</summary>
    public static KdfCost Default { get; } = OfTime(TimeSpan.FromSeconds(2));

    /// <summary>Null for what the header's version makes by default: PBKDF2 in LUKS1, Argon2id in LUKS2.</summary>
    public KdfKind? Kind { get; private init; }

    /// <summary>How long unlocking one slot is to take; null where <see cref="Iterations"/> is set.</summary>
    public TimeSpan? IterTime { get; private init; }

    /// <summary>Forced iterations of PBKDF2 or passes of Argon2; null where <see cref="IterTime"/> is set.</summary>
    public long? Iterations { get; private init; }

    /// <summary>Memory of Argon2: as forced, or with <see cref="IterTime"/> the most to take; null for the default.</summary>
    public long? MemoryKiB { get; private init; }

    /// <summary>Lanes of Argon2: as forced, or with <see cref="IterTime"/> the most to take; null for the default.</summary>
    public int? Lanes { get; private init; }

    /// <summary>Measures this machine and takes as much as fits into <paramref name="time"/>.</summary>
    /// <param name="time">1 ms to 10 minutes.</param>
    /// <param name="kind">Null for the default of the header's version.</param>
    /// <param name="memoryKiB">The most memory that Argon2 may take; null for the default, 1 GiB and at most half of the machine's.</param>
    /// <param name="lanes">The most lanes that Argon2 may take; null for the default, 4 and at most one per processor.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KdfCostInvalid"/>.</exception>
    public static KdfCost OfTime(TimeSpan time, KdfKind? kind = null, long? memoryKiB = null, int? lanes = null)
    {
        if (time < TimeSpan.FromMilliseconds(1) || time > s_longestTime)
        {
            throw Invalid($"The iteration time is {time.TotalMilliseconds} ms, but must be 1 to {s_longestTime.TotalMilliseconds} ms.");
        }

        if (kind == KdfKind.Pbkdf2 && (memoryKiB ?? lanes) is not null)
        {
            throw Invalid("PBKDF2 takes neither memory nor lanes; Argon2 does.");
        }

        RequireMemory(memoryKiB ?? MaxMemoryKiB);
        RequireLanes(lanes ?? 1);
        return new KdfCost { IterTime = time, Kind = kind, MemoryKiB = memoryKiB, Lanes = lanes };
    }

    /// <summary>Exactly <paramref name="iterations"/> of PBKDF2.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KdfCostInvalid"/>.</exception>
    public static KdfCost OfIterations(long iterations) => iterations is >= MinIterations and <= MaxIterations
        ? new KdfCost { Iterations = iterations, Kind = KdfKind.Pbkdf2 }
        : throw Invalid($"{iterations} iterations were asked for, but {MinIterations} to {MaxIterations} are allowed.");

    /// <summary>Exactly these parameters of Argon2.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KdfCostInvalid"/>.</exception>
    public static KdfCost OfArgon2(KdfKind kind, long passes, long memoryKiB, int lanes)
    {
        if (kind == KdfKind.Pbkdf2)
        {
            throw Invalid("Passes, memory and lanes are Argon2's, not PBKDF2's.");
        }

        RequireMemory(memoryKiB);
        RequireLanes(lanes);
        if (passes < MinPasses || passes > MaxArgon2Work / memoryKiB)
        {
            throw Invalid($"{passes} passes of Argon2 over {memoryKiB} KiB were asked for, but {MinPasses} to {MaxArgon2Work / memoryKiB} are allowed.");
        }

        return new KdfCost { Iterations = passes, Kind = kind, MemoryKiB = memoryKiB, Lanes = lanes };
    }

    /// <summary>What a slot of a header of this version gets.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KdfCostInvalid"/>.</exception>
    internal KdfKind KindIn(LuksVersion version)
    {
        if (version == LuksVersion.Luks1 && (Kind ?? KdfKind.Pbkdf2) != KdfKind.Pbkdf2)
        {
            throw Invalid($"LUKS1 has PBKDF2 only, not {Kind}; LUKS2 has both.");
        }

        return Kind ?? (version == LuksVersion.Luks1 ? KdfKind.Pbkdf2 : KdfKind.Argon2id);
    }

    private static void RequireMemory(long memoryKiB)
    {
        if (memoryKiB is < MinMemoryKiB or > MaxMemoryKiB)
        {
            throw Invalid($"{memoryKiB} KiB of memory were asked for, but {MinMemoryKiB} to {MaxMemoryKiB} are allowed.");
        }
    }

    private static void RequireLanes(int lanes)
    {
        if (lanes is < 1 or > MaxLanes)
        {
            throw Invalid($"{lanes} lanes were asked for, but 1 to {MaxLanes} are allowed.");
        }
    }

    private static InvalidInputException Invalid(string message) => new(ErrorIds.KdfCostInvalid, message);
}
