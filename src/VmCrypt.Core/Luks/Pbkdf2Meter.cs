using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Luks;

/// <summary>Finds iterations of PBKDF2; measures this machine, which takes about a second, at most once and only if it must.</summary>
internal sealed class Pbkdf2Meter(HashKind hash, int keySize, CancellationToken cancellationToken)
{
    // cryptsetup's choice; QEMU takes an eighth of the slot's time. A volume key is random, so that guessing it is hopeless anyway.
    private static readonly TimeSpan s_digestTime = TimeSpan.FromMilliseconds(125);

    private double? _perSecond;

    /// <summary>For a key slot.</summary>
    public long Slot(KdfCost cost) => cost.Iterations ?? IterationsFor(cost.IterTime!.Value);

    /// <summary>For the digest of a volume key; the least where the slot's cost is forced, as cryptsetup does.</summary>
    public long Digest(KdfCost cost) => cost.Iterations is null ? IterationsFor(s_digestTime) : KdfCost.MinIterations;

    private long IterationsFor(TimeSpan time)
    {
        _perSecond ??= Pbkdf2Benchmark.MeasurePerSecond(hash, keySize, cancellationToken);
        return Pbkdf2Benchmark.IterationsFor(_perSecond.Value, time);
    }
}
