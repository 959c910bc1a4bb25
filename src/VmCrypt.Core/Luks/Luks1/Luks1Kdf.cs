using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Luks.Luks1;

/// <summary>PBKDF2 iterations for a slot and for the digest of the volume key.</summary>
internal readonly record struct Luks1Kdf(uint Iterations, uint DigestIterations)
{
    // cryptsetup spends an eighth of a second on the digest, QEMU an eighth of the slot's time; at two seconds and half that both agree.
    private const double DigestSeconds = 0.125;

    /// <summary>Resolves a cost; one given as a time is measured on this machine and takes about a second.</summary>
    public static Luks1Kdf Resolve(KdfCost cost, HashKind hash, int keySize)
    {
        if (cost.Iterations is { } forced)
        {
            return new Luks1Kdf((uint)forced, (uint)KdfCost.MinIterations);
        }

        double perSecond = Pbkdf2Benchmark.MeasurePerSecond(hash, keySize);
        return new Luks1Kdf(Clamp(perSecond * cost.IterTime!.Value.TotalSeconds), Clamp(perSecond * DigestSeconds));
    }

    private static uint Clamp(double iterations) => (uint)Math.Clamp(iterations, KdfCost.MinIterations, KdfCost.MaxIterations);
}
