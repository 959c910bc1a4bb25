using VmCrypt.Core.Images;

namespace VmCrypt.Core.Proof.Walk;

/// <summary>The start of a sector of ciphertext, and where it stands.</summary>
/// <param name="Start">Its first sixteen bytes, mixed into eight: two that differ are the same once in 2^64 pairs.</param>
internal readonly record struct SectorMark(ulong Start, long Host, long Guest, HostUse Use);

/// <summary>Finds sectors that start alike at different places, which ciphertext of a sound mode does once in 2^128 pairs.</summary>
/// <remarks>
/// Of a large disk not all sectors are remembered, but those whose start has so many zero bits: of two that are alike both are, or neither.
/// Where an IV is used twice for much of a disk, or none at all, some of the pairs are found.
/// </remarks>
internal sealed class SectorMarks(long sectors, bool ivIsOfHost)
{
    private const int MaxMarks = 1 << 19;

    private readonly Dictionary<ulong, SectorMark> _seen = [];
    private readonly ulong _skipped = SkippedFor(sectors);

    /// <summary>What a sector's first sixteen bytes are remembered by.</summary>
    public static ulong StartOf(ulong low, ulong high) => Mixer.Mix(low ^ ulong.RotateLeft(high * 0x9E3779B97F4A7C15, 31));

    public bool Wants(ulong start) => (start & _skipped) == 0;

    /// <summary>Whether the place of the sector is known that decides about its IV.</summary>
    public bool Tells(in HostArea area) => ivIsOfHost || area.Guest >= 0;

    /// <summary>Remembers the sector; returns the one that it repeats, or null.</summary>
    public SectorMark? Add(in SectorMark mark)
    {
        if (!_seen.TryGetValue(mark.Start, out SectorMark first))
        {
            if (_seen.Count < 2 * MaxMarks)
            {
                _seen.Add(mark.Start, mark);
            }

            return null;
        }

        return first.Host != mark.Host && (ivIsOfHost || first.Guest != mark.Guest) ? first : null;
    }

    private static ulong SkippedFor(long sectors)
    {
        ulong skipped = 0;
        for (; sectors > MaxMarks; sectors /= 2)
        {
            skipped = (skipped << 1) | 1;
        }

        return skipped;
    }
}
