using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2.Reencrypt;

/// <summary>The regular segments of a payload that is being re-encrypted: written for a position, and a position read from them.</summary>
/// <remarks>The same segments as cryptsetup's, in the same order, so that either goes on from what the other left.</remarks>
internal static class Luks2ReencryptSegments
{
    private const int IvUnit = 512;

    /// <summary>A regular segment and the digests of the keys that open it.</summary>
    public readonly record struct Part(JsonObject Segment, int?[] Digests);

    /// <summary>The regular segments at <paramref name="position"/>.</summary>
    public static List<Part> At(Luks2ReencryptPlan plan, long length, PayloadPosition position) => plan.Course switch
    {
        Luks2Course.Forward => Forward(plan, length, position),
        Luks2Course.Backward => Backward(plan, length, position),
        Luks2Course.MoveUp => MoveUp(plan, length, position),
        _ => MoveDown(plan, length, position),
    };

    /// <summary>The finished payload of <paramref name="length"/> bytes.</summary>
    public static Part Whole(Luks2ReencryptPlan plan, long length) => New(plan, 0, length);

    /// <summary>The first segment of finished metadata, reaching to the end of its device.</summary>
    public static Part ToEnd(Luks2Metadata metadata)
    {
        Luks2Segment only = metadata.Segments[0];
        return Of(only, 0, null, metadata.DigestOfSegment(only.Number)?.Number);
    }

    /// <summary>A segment of valid metadata as it is.</summary>
    public static Part Same(Luks2Metadata metadata, Luks2Segment segment) => Of(segment, 0, (long?)segment.Size, metadata.DigestOfSegment(segment.Number)?.Number);

    /// <summary>The position that the segments tell.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Luks2ReencryptionInvalid"/>: no position has these segments.</exception>
    public static PayloadPosition PositionOf(Luks2ReencryptPlan plan, Luks2Metadata metadata, long length)
    {
        Luks2Segment[] found = [.. metadata.Segments.Where(segment => !segment.IsBackup)];
        PayloadPosition position = Guess(plan, metadata, found, length);
        bool possible = position.Done >= 0 && position.Done <= length
            && (position.Hot is not { } hot || (hot.Length > 0 && hot.Offset >= 0 && hot.Length <= length - hot.Offset && hot == plan.Next(position.Done, length, hot.Length)));
        if (!possible || !Extents(At(plan, length, position).Select(Parse)).SequenceEqual(Extents(found)))
        {
            throw new InvalidImageException(ErrorIds.Luks2ReencryptionInvalid,
                $"The segments of the payload of {length} bytes are not those of any step of its re-encryption.");
        }

        return position;

        static IEnumerable<(string Type, ulong Offset, ulong Size, bool Hot)> Extents(IEnumerable<Luks2Segment> segments) =>
            segments.Select((segment, index) => (segment.Type, segment.Offset, segment.Size ?? 0, segment.Is(Luks2ReencryptPlan.HotFlag)));
    }

    private static Luks2Segment Parse(Part part) => Luks2Segment.Parse(0, new Luks2Members(part.Segment, "A segment", ErrorIds.Luks2ReencryptionInvalid));

    private static PayloadPosition Guess(Luks2ReencryptPlan plan, Luks2Metadata metadata, Luks2Segment[] found, long length)
    {
        if (found.FirstOrDefault(segment => segment.Is(Luks2ReencryptPlan.HotFlag)) is { } hot)
        {
            var zone = new PayloadZone((long)(hot.Offset - plan.After.Offset), (long)(hot.Size ?? 0));
            return new PayloadPosition(plan.DoneBefore(zone, length), zone);
        }

        Luks2Segment first = found[0];
        return new PayloadPosition(plan.Course switch
        {
            Luks2Course.MoveUp => length - found.Where(segment => segment.Crypt is null).Sum(segment => (long)(segment.Size ?? 0)),
            Luks2Course.MoveDown => found.LastOrDefault(segment => segment.Crypt is not null) switch
            {
                null => length,
                { Offset: 0 } => length - plan.MovedLength,
                var rest => (long)(rest.Offset - plan.Before.Offset) - plan.MovedLength,
            },
            _ when found.Length == 1 => IsFinal(plan, metadata, first) ? length : 0,
            Luks2Course.Forward => (long)(first.Size ?? 0),
            _ => length - (long)(first.Size ?? 0),
        });
    }

    // Where only the key changes, the digest alone tells before and after apart.
    private static bool IsFinal(Luks2ReencryptPlan plan, Luks2Metadata metadata, Luks2Segment only) =>
        only.DoesAs(plan.After) && (!only.DoesAs(plan.Before) || metadata.DigestOfSegment(only.Number)?.Number == plan.DigestAfter);

    private static List<Part> Forward(Luks2ReencryptPlan plan, long length, PayloadPosition position)
    {
        var parts = new List<Part>();
        long start = position.Hot?.Offset ?? position.Done;
        long rest = position.Hot?.End ?? position.Done;
        if (start > 0)
        {
            parts.Add(New(plan, 0, start < length ? start : null));
        }

        AddHot(parts, plan, position.Hot);
        if (rest < length)
        {
            parts.Add(Old(plan, rest, null));
        }

        return parts;
    }

    private static List<Part> Backward(Luks2ReencryptPlan plan, long length, PayloadPosition position)
    {
        var parts = new List<Part>();
        long end = position.Hot?.Offset ?? length - position.Done;
        long done = position.Hot?.End ?? end;
        if (end > 0)
        {
            parts.Add(Old(plan, 0, end < length ? end : null));
        }

        AddHot(parts, plan, position.Hot);
        if (done < length)
        {
            parts.Add(New(plan, done, null));
        }

        return parts;
    }

    private static List<Part> MoveUp(Luks2ReencryptPlan plan, long length, PayloadPosition position)
    {
        var parts = new List<Part>();
        long end = position.Hot?.Offset ?? length - position.Done;
        long done = position.Hot?.End ?? end;
        if (end > 0)
        {
            parts.Add(new Part(Linear((long)plan.Moved!.Offset, plan.MovedLength), []));
        }

        if (end > plan.MovedLength)
        {
            parts.Add(Old(plan, plan.MovedLength, end - plan.MovedLength));
        }

        AddHot(parts, plan, position.Hot);
        if (done < length)
        {
            parts.Add(New(plan, done, done > 0 ? length - done : null));
        }

        return parts;
    }

    private static List<Part> MoveDown(Luks2ReencryptPlan plan, long length, PayloadPosition position)
    {
        var parts = new List<Part>();
        long moved = plan.MovedLength;
        bool last = position.Hot is { Offset: 0 };
        if (position.Done == length)
        {
            parts.Add(New(plan, 0, null));
            return parts;
        }

        if (!last)
        {
            parts.Add(new Part(Crypt(plan.Moved!, 0, moved), [plan.DigestBefore]));
        }
        else
        {
            AddHot(parts, plan, position.Hot);
        }

        long start = last ? length : position.Hot?.Offset ?? moved + position.Done;
        long rest = last ? length : position.Hot?.End ?? start;
        if (start > moved)
        {
            parts.Add(New(plan, moved, start < length || (!last && position.Hot is not null) ? start - moved : null));
        }

        AddHot(parts, plan, last ? null : position.Hot);
        if (rest < length)
        {
            parts.Add(Old(plan, rest, null));
        }

        return parts;
    }

    private static void AddHot(List<Part> parts, Luks2ReencryptPlan plan, PayloadZone? hot)
    {
        if (hot is { } zone)
        {
            Part part = New(plan, zone.Offset, zone.Length);
            part.Segment["flags"] = new JsonArray(Luks2ReencryptPlan.HotFlag);
            parts.Add(part with { Digests = plan.Mode == ReencryptionMode.Reencrypt ? [plan.DigestAfter, plan.DigestBefore] : part.Digests });
        }
    }

    private static Part New(Luks2ReencryptPlan plan, long at, long? size) => Of(plan.After, at, size, plan.DigestAfter);

    private static Part Old(Luks2ReencryptPlan plan, long at, long? size) => Of(plan.Before, at, size, plan.DigestBefore);

    private static Part Of(Luks2Segment segment, long at, long? size, int? digest) =>
        segment.Crypt is null ? new Part(Linear((long)segment.Offset + at, size), []) : new Part(Crypt(segment, at, size), [digest]);

    /// <summary>A plain segment.</summary>
    public static JsonObject Linear(long offset, long? size) => new()
    {
        ["type"] = Luks2Segment.LinearType,
        ["offset"] = Luks2Words.TextOf(offset),
        ["size"] = SizeOf(size),
    };

    /// <summary>The part of an encrypted segment from <paramref name="at"/> on.</summary>
    public static JsonObject Crypt(Luks2Segment segment, long at, long? size) => new()
    {
        ["type"] = Luks2Segment.CryptType,
        ["offset"] = Luks2Words.TextOf((long)segment.Offset + at),
        ["size"] = SizeOf(size),
        ["iv_tweak"] = Luks2Words.TextOf((long)segment.Crypt!.IvTweak + (at / IvUnit)),
        ["encryption"] = segment.Crypt.Cipher,
        ["sector_size"] = (long)segment.Crypt.SectorSize,
    };

    private static string SizeOf(long? size) => size is { } bytes ? Luks2Words.TextOf(bytes) : "dynamic";
}
