namespace VmCrypt.Core.Proof.Walk;

/// <summary>Which blocks of ciphertext are decrypted: all, or about so many as a seed decides, and the first of the disk.</summary>
internal sealed class SampleChoice(long seed, long blocks, bool all)
{
    /// <summary>So many say of a disk to within two percent how much of it has a structure.</summary>
    public const int Samples = 4096;

    // Partition tables and boot sectors stand here: of what a guest has written, most likely there.
    private const long Front = 64 * 1024;

    private readonly ulong _limit = all || blocks <= Samples ? ulong.MaxValue : (ulong)(ulong.MaxValue / (double)blocks * Samples);

    public bool Includes(long host, long guest) => guest is >= 0 and < Front || Mixer.Mix(((ulong)seed * 0x9E3779B97F4A7C15) + (ulong)host) <= _limit;
}
