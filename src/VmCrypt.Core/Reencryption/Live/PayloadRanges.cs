using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Reencryption.Live;

/// <summary>Ranges of a payload in order; those that touch are one.</summary>
internal sealed class PayloadRanges
{
    private readonly List<PayloadZone> _ranges = [];

    public void Add(PayloadZone zone)
    {
        int first = _ranges.Count(range => range.End < zone.Offset);
        int last = first;
        (long start, long end) = (zone.Offset, zone.End);
        for (; last < _ranges.Count && _ranges[last].Offset <= end; last++)
        {
            start = Math.Min(start, _ranges[last].Offset);
            end = Math.Max(end, _ranges[last].End);
        }

        _ranges.RemoveRange(first, last - first);
        _ranges.Insert(first, new PayloadZone(start, end - start));
    }

    public void Add(PayloadRanges others) => others._ranges.ForEach(Add);

    public bool Overlap(PayloadZone zone) => _ranges.Exists(zone.Overlaps);

    /// <summary>How far, up to <paramref name="end"/>, the bytes from <paramref name="at"/> on all lie in the ranges, or all beside them.</summary>
    public (long End, bool Inside) PieceAt(long at, long end)
    {
        int next = _ranges.FindIndex(range => range.End > at);
        if (next < 0)
        {
            return (end, false);
        }

        bool inside = _ranges[next].Offset <= at;
        return (Math.Min(end, inside ? _ranges[next].End : _ranges[next].Offset), inside);
    }
}
