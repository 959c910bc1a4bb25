using System.Diagnostics;

namespace VmCrypt.Core.Nbd;

/// <summary>Whether a device answers from memory or makes its callers wait; a running judgement over the last requests.</summary>
/// <remarks>Threads race on it without harm: it is a hint, and the next sample corrects it.</remarks>
internal sealed class NbdPace
{
    /// <summary>From this length on a request keeps a core busy long enough to be worth a second worker.</summary>
    public const int Large = 64 * 1024;

    // A request from the page cache, decryption included, takes well under this; a disk's seek or a network's answer well over.
    private static readonly long s_patience = Stopwatch.Frequency / 20_000;
    private static readonly double s_patiencePerByte = Stopwatch.Frequency / 500e6;

    private const int Weight = 8;
    private const int Scale = 1024;

    private int _slowness;

    /// <summary>More than a quarter of the last requests waited.</summary>
    public bool IsSlow => _slowness > Scale / 4;

    public void Sample(long startTimestamp, uint bytes)
    {
        long spent = Stopwatch.GetTimestamp() - startTimestamp;
        bool slow = spent > s_patience + (bytes * s_patiencePerByte);
        _slowness += ((slow ? Scale : 0) - _slowness) / Weight;
    }
}
