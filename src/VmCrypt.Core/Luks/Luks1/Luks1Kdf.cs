using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Luks.Luks1;

/// <summary>PBKDF2 iterations for a slot and for the digest of the volume key.</summary>
internal readonly record struct Luks1Kdf(uint Iterations, uint DigestIterations)
{
    // cryptsetup's choice; QEMU takes an eighth of the slot's time. A volume key is random, so that guessing it is hopeless anyway.
    private static readonly TimeSpan s_digestTime = TimeSpan.FromMilliseconds(125);

    /// <summary>Resolves a cost; one given as a time is measured on this machine and takes about a second.</summary>
    public static Luks1Kdf Resolve(KdfCost cost, HashKind hash, int keySize, CancellationToken cancellationToken)
    {
        if (cost.Iterations is { } forced)
        {
            return new Luks1Kdf((uint)forced, (uint)KdfCost.MinIterations);
        }

        double perSecond = Pbkdf2Benchmark.MeasurePerSecond(hash, keySize, cancellationToken);
        return new Luks1Kdf(
            (uint)Pbkdf2Benchmark.IterationsFor(perSecond, cost.IterTime!.Value),
            (uint)Pbkdf2Benchmark.IterationsFor(perSecond, s_digestTime));
    }
}
