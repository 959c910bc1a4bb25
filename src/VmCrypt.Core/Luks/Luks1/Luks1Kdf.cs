using System.Diagnostics;
using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Luks.Luks1;

/// <summary>PBKDF2 iterations for a slot and for the digest of the volume key.</summary>
internal readonly record struct Luks1Kdf(uint Iterations, uint DigestIterations)
{
    // cryptsetup spends an eighth of a second on the digest, QEMU an eighth of the slot's time; at two seconds and half that both agree.
    private const double DigestSeconds = 0.125;

    private static readonly TimeSpan s_measured = TimeSpan.FromMilliseconds(250);

    /// <summary>Resolves a cost; one given as a time is measured on this machine and takes about a second.</summary>
    public static Luks1Kdf Resolve(KdfCost cost, HashKind hash, int keySize)
    {
        if (cost.Iterations is { } forced)
        {
            return new Luks1Kdf((uint)forced, (uint)KdfCost.MinIterations);
        }

        double perSecond = Measure(hash, keySize);
        return new Luks1Kdf(Clamp(perSecond * cost.IterTime!.Value.TotalSeconds), Clamp(perSecond * DigestSeconds));
    }

    private static double Measure(HashKind hash, int keySize)
    {
        byte[] key = new byte[keySize];
        byte[] salt = new byte[Luks1Layout.SaltLength];
        for (long iterations = KdfCost.MinIterations; ; iterations *= 4)
        {
            long start = Stopwatch.GetTimestamp();
            Pbkdf2.Derive(hash, "benchmark"u8, salt, iterations, key);
            TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
            if (elapsed > s_measured)
            {
                return iterations / elapsed.TotalSeconds;
            }
        }
    }

    private static uint Clamp(double iterations) => (uint)Math.Clamp(iterations, KdfCost.MinIterations, KdfCost.MaxIterations);
}
