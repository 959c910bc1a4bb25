using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Commands.Keys;

/// <summary>What a guess of a new passphrase is to cost: the parameters that all commands which make a key slot have in common.</summary>
/// <remarks>A class has one base only, so commands take groups of parameters by <see cref="IDynamicParameters"/>.</remarks>
public class KdfParameters
{
    private const int Kibi = 1024;
    private static readonly TimeSpan s_usualTime = KdfCost.Default.IterTime!.Value;

    /// <summary>Null for what the header's version has by default.</summary>
    [Parameter]
    public KdfKind? Kdf { get; set; }

    /// <summary>Bytes; with <see cref="Iterations"/> exactly so many, else at most.</summary>
    [Parameter]
    [ByteSize]
    [ValidateRange(KdfCost.MinMemoryKiB * Kibi, KdfCost.MaxMemoryKiB * Kibi)]
    public long? Memory { get; set; }

    /// <summary>Lanes; with <see cref="Iterations"/> exactly so many, else at most.</summary>
    [Parameter]
    [ValidateRange(1, KdfCost.MaxLanes)]
    public int? Parallel { get; set; }

    /// <summary>Milliseconds.</summary>
    [Parameter]
    [ValidateRange(1, 600_000)]
    public int? IterTime { get; set; }

    /// <summary>Of PBKDF2; of Argon2, passes over its memory.</summary>
    [Parameter]
    [ValidateRange(KdfCost.MinPasses, KdfCost.MaxIterations)]
    public long? Iterations { get; set; }

    internal bool IsCostGiven => ((object?)Kdf ?? Memory ?? Parallel ?? IterTime ?? Iterations) is not null;

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.InvalidParameter"/>, <see cref="ErrorIds.KdfCostInvalid"/>.</exception>
    internal KdfCost Cost
    {
        get
        {
            // Memory and lanes are Argon2's alone, so whoever names them means that.
            KdfKind? kind = Kdf ?? (Memory is null && Parallel is null ? null : KdfKind.Argon2id);
            return (IterTime, Iterations) switch
            {
                (_, null) => KdfCost.OfTime(IterTime is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : s_usualTime, kind, MemoryKiB, Parallel),
                (null, { } count) when kind is null or KdfKind.Pbkdf2 => Forced(count),
                (null, { } count) => KdfCost.OfArgon2(kind.Value, count, MemoryKiB ?? Argon2Benchmark.DefaultMemoryKiB, Parallel ?? UsualLanes),
                _ => throw new InvalidInputException(ErrorIds.InvalidParameter, "Give -IterTime or -Iterations, not both."),
            };
        }
    }

    private static int UsualLanes => Math.Min(KdfCost.MaxLanes, Environment.ProcessorCount);

    private long? MemoryKiB => Memory is not { } bytes ? null
        : bytes % Kibi == 0 ? bytes / Kibi
        : throw new InvalidInputException(ErrorIds.InvalidParameter, $"-Memory is {bytes} bytes, but must be a multiple of {Kibi}.");

    private KdfCost Forced(long iterations) => Memory is null && Parallel is null
        ? KdfCost.OfIterations(iterations)
        : throw new InvalidInputException(ErrorIds.InvalidParameter, "PBKDF2 takes neither -Memory nor -Parallel; Argon2 does.");
}
