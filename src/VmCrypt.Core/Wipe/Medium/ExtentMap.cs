using System.Collections.Immutable;
using System.Security.Cryptography;
using VmCrypt.Core.Wipe.Engine;

namespace VmCrypt.Core.Wipe.Medium;

/// <summary>Where a file lies, for comparison before and after.</summary>
internal sealed class ExtentMap
{
    public ExtentMap(IEnumerable<PhysicalExtent> extents) => Extents = [.. extents];

    public ImmutableArray<PhysicalExtent> Extents { get; }

    public long BytesWith(ExtentTraits traits) => Extents.Where(extent => (extent.Traits & traits) != ExtentTraits.None).Sum(extent => extent.Length);

    /// <summary>What is backed by storage, up to <paramref name="end"/>.</summary>
    public IEnumerable<ByteRange> RangesUpTo(long end) => Extents
        .Where(extent => extent.Logical < end)
        .Select(extent => new ByteRange(extent.Logical, Math.Min(extent.End, end) - extent.Logical));

    /// <summary>Bytes that lie elsewhere in <paramref name="after"/>, have a place in one only, or have none that can be told.</summary>
    /// <remarks>How the runs are cut does not matter: writing joins and splits extents without moving anything.</remarks>
    public ImmutableArray<ByteRange> MovedIn(ExtentMap after, long end)
    {
        long[] cuts = [.. Extents.Concat(after.Extents)
            .SelectMany(extent => new[] { extent.Logical, extent.End })
            .Append(end).Where(cut => cut <= end).Distinct().Order()];
        using IEnumerator<PhysicalExtent> mine = Extents.AsEnumerable().GetEnumerator();
        using IEnumerator<PhysicalExtent> others = after.Extents.AsEnumerable().GetEnumerator();
        bool hasMine = mine.MoveNext();
        bool hasOther = others.MoveNext();
        var moved = new List<ByteRange>();
        for (int i = 0; i + 1 < cuts.Length; i++)
        {
            long at = cuts[i];
            hasMine = Advance(mine, hasMine, at);
            hasOther = Advance(others, hasOther, at);
            if (PlaceOf(mine, hasMine, at) != PlaceOf(others, hasOther, at))
            {
                moved.Add(new ByteRange(at, cuts[i + 1] - at));
            }
        }

        return new RangeMap(moved).Ranges;
    }

    /// <summary>SHA-256 of what lies where: equal for maps between which nothing has moved.</summary>
    public byte[] Digest(long end)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        PhysicalExtent? run = null;
        foreach (PhysicalExtent extent in Extents.Where(extent => extent.Logical < end))
        {
            PhysicalExtent cut = extent with { Length = Math.Min(extent.End, end) - extent.Logical };
            if (run is { } open && open.End == cut.Logical && open.Physical + open.Length == cut.Physical)
            {
                run = open with { Length = open.Length + cut.Length };
                continue;
            }

            Append(hash, run);
            run = cut;
        }

        Append(hash, run);
        return hash.GetHashAndReset();
    }

    private static bool Advance(IEnumerator<PhysicalExtent> extents, bool has, long at)
    {
        while (has && extents.Current.End <= at)
        {
            has = extents.MoveNext();
        }

        return has;
    }

    // Null in a hole; a place that cannot be told is never equal to another.
    private static (long Physical, Guid Unknown)? PlaceOf(IEnumerator<PhysicalExtent> extents, bool has, long at)
    {
        if (!has || extents.Current.Logical > at)
        {
            return null;
        }

        PhysicalExtent extent = extents.Current;
        return (extent.Traits & (ExtentTraits.Nowhere | ExtentTraits.Inline)) != ExtentTraits.None
            ? (0, Guid.NewGuid())
            : (extent.Physical + (at - extent.Logical), Guid.Empty);
    }

    private static void Append(IncrementalHash hash, PhysicalExtent? run)
    {
        if (run is { } extent)
        {
            hash.AppendData(BitConverter.GetBytes(extent.Logical));
            hash.AppendData(BitConverter.GetBytes(extent.Physical));
            hash.AppendData(BitConverter.GetBytes(extent.Length));
        }
    }
}
