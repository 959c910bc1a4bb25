namespace VmCrypt.Core.Images;

/// <summary>What bytes of an image's file are for.</summary>
public enum HostUse
{
    /// <summary>Nothing refers to them: free, freed, leaked, or room that is kept.</summary>
    Unused,

    /// <summary>Tables and headers of the container, which no format encrypts.</summary>
    Metadata,

    /// <summary>The header that describes the encryption, without its key material.</summary>
    EncryptionHeader,

    /// <summary>A key slot in use.</summary>
    KeyMaterial,

    /// <summary>The disk as it is now.</summary>
    Data,

    /// <summary>Only an internal snapshot has them.</summary>
    Snapshot,

    /// <summary>A compressed cluster, which qcow and qcow2 never encrypt.</summary>
    Compressed,

    /// <summary>Behind all that anything refers to.</summary>
    Tail,
}

/// <summary>A run of bytes of an image's file that are for one thing.</summary>
/// <param name="Guest">Where on the disk the guest sees them; -1 where it does not.</param>
internal readonly record struct HostArea(long Offset, long Length, HostUse Use, long Guest = -1)
{
    public long End => Offset + Length;

    /// <summary>The part of it that begins <paramref name="skipped"/> bytes in.</summary>
    public HostArea From(long skipped) => this with { Offset = Offset + skipped, Length = Length - skipped, Guest = Guest < 0 ? -1 : Guest + skipped };

    /// <summary>Whether <paramref name="next"/> goes on where this ends, in the file and on the disk.</summary>
    public bool Joins(in HostArea next) => next.Use == Use && next.Offset == End && next.Guest == (Guest < 0 ? -1 : Guest + Length);
}

/// <summary>What each byte of an image's file is for.</summary>
/// <param name="Areas">In order, without gaps and overlaps.</param>
/// <param name="Defects">What is wrong with the tables, and so was not followed; a sentence each.</param>
internal sealed record HostMap(IEnumerable<HostArea> Areas, IReadOnlyList<string> Defects)
{
    /// <summary>The same of the external data file; null where there is none.</summary>
    public IEnumerable<HostArea>? DataFile { get; init; }
}

/// <summary>An image that can say what its file is made of, without a key.</summary>
internal interface IHostMapped
{
    ValueTask<HostMap> MapHostAsync(CancellationToken cancellationToken);
}

/// <summary>Makes whole maps out of what tables say.</summary>
internal static class HostAreas
{
    /// <summary>Sorts the areas, cuts what overlaps, and fills the file of <paramref name="length"/> bytes up.</summary>
    /// <remarks>What is table and content at once counts as content, wherever the table begins: that is what must not stay unseen.</remarks>
    public static IEnumerable<HostArea> Complete(IEnumerable<HostArea> areas, long length)
    {
        ILookup<bool, HostArea> sorted = areas.OrderBy(area => area.Offset).ToLookup(area => area.Use is HostUse.Metadata or HostUse.EncryptionHeader);
        return Fill(Merge(sorted[true], sorted[false]), length);
    }

    /// <summary>Fills gaps between areas that are in order; what begins inside of its neighbour loses its start.</summary>
    public static IEnumerable<HostArea> Fill(IEnumerable<HostArea> ordered, long length)
    {
        long at = 0;
        foreach (HostArea next in ordered)
        {
            HostArea area = next.Offset < at ? next.From(Math.Min(at - next.Offset, next.Length)) : next;
            area = area with { Length = Math.Min(area.Length, length - area.Offset) };
            if (area.Length <= 0)
            {
                continue;
            }

            if (area.Offset > at)
            {
                yield return new HostArea(at, area.Offset - at, HostUse.Unused);
            }

            yield return area;
            at = area.End;
        }

        if (at < length)
        {
            yield return new HostArea(at, length - at, HostUse.Tail);
        }
    }

    // Tables end where content begins, and go on behind it: what is cut off there begins inside of the content, and loses its start.
    private static IEnumerable<HostArea> Merge(IEnumerable<HostArea> tables, IEnumerable<HostArea> contents)
    {
        using IEnumerator<HostArea> table = tables.GetEnumerator();
        HostArea? rest = Next(table);
        foreach (HostArea content in contents)
        {
            while (rest is { } open && open.Offset < content.Offset)
            {
                long before = Math.Min(open.Length, content.Offset - open.Offset);
                yield return open with { Length = before };
                rest = before < open.Length ? open.From(before) : Next(table);
            }

            yield return content;
        }

        for (; rest is { } left; rest = Next(table))
        {
            yield return left;
        }

        static HostArea? Next(IEnumerator<HostArea> areas) => areas.MoveNext() ? areas.Current : null;
    }

    /// <summary>Joins neighbours that go on in the file and on the disk.</summary>
    public static IEnumerable<HostArea> Join(IEnumerable<HostArea> ordered)
    {
        HostArea? open = null;
        foreach (HostArea area in ordered)
        {
            if (open is { } run && run.Joins(area))
            {
                open = run with { Length = run.Length + area.Length };
                continue;
            }

            if (open is { } done)
            {
                yield return done;
            }

            open = area;
        }

        if (open is { } last)
        {
            yield return last;
        }
    }
}
