using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>What must hold between the objects of the metadata: one rule a row, each relying on those above it.</summary>
/// <remarks>
/// The same rules as cryptsetup's, so that both take the same copy of a header for the good one. Whether this version can use
/// what a valid header says is another question (<see cref="Luks2Terms"/>).
/// </remarks>
internal static class Luks2Validator
{
    private static readonly (string ErrorId, Func<Luks2Metadata, long, string?> Violation)[] s_rules =
    [
        (ErrorIds.Luks2JsonSizeMismatch, JsonSize),
        (ErrorIds.Luks2RequirementsInvalid, (metadata, _) => Luks2Requirements.Violation(metadata.Config)),
        (ErrorIds.Luks2ReferenceInvalid, (metadata, _) => References(metadata)),
        (ErrorIds.Luks2SegmentOffsetInvalid, (metadata, _) => SegmentOffsets(metadata)),
        (ErrorIds.Luks2SectorSizeInvalid, (metadata, _) => SectorSizes(metadata)),
        (ErrorIds.Luks2SegmentSizeInvalid, (metadata, _) => SegmentSizes(metadata)),
        (ErrorIds.Luks2SegmentUnproven, (metadata, _) => UnprovenSegments(metadata)),
        (ErrorIds.Luks2SegmentsNotInOrder, (metadata, _) => SegmentOrder(metadata)),
        (ErrorIds.Luks2SegmentsOverlap, (metadata, _) => SegmentOverlaps(metadata)),
        (ErrorIds.Luks2ReencryptionInvalid, (metadata, _) => ReencryptedSegments(metadata)),
        (ErrorIds.Luks2KeyslotsSizeInvalid, (metadata, _) => KeyslotsSize(metadata)),
        (ErrorIds.Luks2KeyslotAreaInvalid, (metadata, _) => KeyslotAreas(metadata)),
        (ErrorIds.Luks2KeyslotAreasOverlap, (metadata, _) => KeyslotOverlaps(metadata)),
        (ErrorIds.Luks2KeyslotUnproven, (metadata, _) => UnprovenKeyslots(metadata)),
        (ErrorIds.Luks2ReencryptionInvalid, (metadata, _) => ReencryptKeyslots(metadata)),
    ];

    /// <param name="metadata">As parsed.</param>
    /// <param name="headerSize">Bytes of one copy, as its binary part says.</param>
    /// <exception cref="InvalidImageException">The id of the first rule that is broken.</exception>
    public static void Validate(Luks2Metadata metadata, long headerSize)
    {
        foreach ((string errorId, Func<Luks2Metadata, long, string?> violation) in s_rules)
        {
            if (violation(metadata, headerSize) is { } sentence)
            {
                throw new InvalidImageException(errorId, sentence);
            }
        }
    }

    private static string? JsonSize(Luks2Metadata metadata, long headerSize) =>
        metadata.Config.JsonSize == (ulong)(headerSize - Luks2Layout.BinarySize)
            ? null
            : $"The LUKS2 metadata gives its area {metadata.Config.JsonSize} bytes, but the binary header {headerSize - Luks2Layout.BinarySize}.";

    private static string? References(Luks2Metadata metadata)
    {
        HashSet<int> slots = [.. metadata.Keyslots.Select(slot => slot.Number)];
        HashSet<int> segments = [.. metadata.Segments.Select(segment => segment.Number)];
        return First(metadata.Tokens, token => Missing($"Token {token.Number}", token.Keyslots, slots, "key slot"))
            ?? First(metadata.Digests, digest => Missing($"Digest {digest.Number}", digest.Keyslots, slots, "key slot")
                ?? Missing($"Digest {digest.Number}", digest.Segments, segments, "segment"));
    }

    private static string? Missing(string owner, IEnumerable<int> named, HashSet<int> present, string kind) =>
        First(named, number => present.Contains(number) ? null : $"{owner} of the LUKS2 metadata names {kind} {number}, which does not exist.");

    private static string? SegmentOffsets(Luks2Metadata metadata) => First(metadata.Segments, segment =>
        segment.Offset % Luks2Layout.SectorSize == 0
            ? null
            : $"Segment {segment.Number} starts at byte {segment.Offset}, but must start at a multiple of {Luks2Layout.SectorSize}.");

    private static string? SectorSizes(Luks2Metadata metadata) => First(metadata.Segments, segment =>
        segment.Crypt is null || (segment.Crypt.SectorSize > 0 && segment.Crypt.SectorSize % Luks2Layout.SectorSize == 0)
            ? null
            : $"Segment {segment.Number} has sectors of {segment.Crypt.SectorSize} bytes, but must have a positive multiple of {Luks2Layout.SectorSize}.");

    private static string? SegmentSizes(Luks2Metadata metadata) => First(metadata.Segments, segment =>
    {
        uint unit = segment.Crypt?.SectorSize ?? Luks2Layout.SectorSize;
        return segment.Size is null || (segment.Size > 0 && segment.Size % unit == 0 && segment.Size % Luks2Layout.SectorSize == 0)
            ? null
            : $"Segment {segment.Number} has {segment.Size} bytes, but must have a positive multiple of {unit}.";
    });

    private static string? UnprovenSegments(Luks2Metadata metadata) => First(metadata.Segments, segment =>
        segment.Crypt is null || metadata.DigestOfSegment(segment.Number) is not null
            ? null
            : $"No digest proves the key of segment {segment.Number}.");

    private static string? SegmentOrder(Luks2Metadata metadata)
    {
        int regular = metadata.Segments.TakeWhile(segment => !segment.IsBackup).Count();
        if (regular == 0)
        {
            return "The LUKS2 metadata has no segment that says where the payload lies.";
        }

        return metadata.Segments.Select((segment, index) => segment.Number == index).All(inOrder => inOrder)
            && metadata.Segments.Skip(regular).All(segment => segment.IsBackup)
            ? null
            : "The segments of the LUKS2 metadata must be numbered from 0 on without a gap, those for backup last.";
    }

    private static string? SegmentOverlaps(Luks2Metadata metadata)
    {
        Luks2Segment[] regular = [.. metadata.Segments.Where(segment => !segment.IsBackup)];
        return First(regular.SkipLast(1), segment => segment.Size is null
                ? $"Segment {segment.Number} goes on to the end of the device, which only the last one may."
                : null)
            ?? Overlap(regular.Select(segment => new Range("segment", segment.Number, segment.Offset, segment.Size ?? ulong.MaxValue)));
    }

    // What is being re-encrypted must be one of the states that it has before and after.
    private static string? ReencryptedSegments(Luks2Metadata metadata)
    {
        if (!Luks2Requirements.KnowsReencryption(metadata.Config))
        {
            return null;
        }

        Luks2Segment? before = metadata.Segments.LastOrDefault(segment => segment.Is("backup-previous"));
        Luks2Segment? after = metadata.Segments.LastOrDefault(segment => segment.Is("backup-final"));
        if (before is null || after is null)
        {
            return "The LUKS2 metadata speaks of a re-encryption, but does not say from what to what.";
        }

        return First(metadata.Segments.Where(segment => !segment.IsBackup), segment =>
            segment.DoesAs(after) || (segment.DoesAs(before) && !segment.Is("in-reencryption"))
                ? null
                : $"Segment {segment.Number} is encrypted neither as before nor as after the re-encryption.");
    }

    private static string? KeyslotsSize(Luks2Metadata metadata)
    {
        ulong size = metadata.Config.KeyslotsSize;
        if (size % Luks2Layout.AreaAlignment != 0 || size > Luks2Layout.MaxKeyslotsSize)
        {
            return $"The key slots have {size} bytes, but must have a multiple of {Luks2Layout.AreaAlignment} up to {Luks2Layout.MaxKeyslotsSize}.";
        }

        // A detached header may say 0.
        ulong payload = metadata.Segments.Where(segment => !segment.IsBackup).Min(segment => segment.Offset);
        return payload == 0 || payload >= metadata.TotalSize
            ? null
            : $"Header and key slots have {metadata.TotalSize} bytes, but the payload starts at byte {payload}.";
    }

    private static string? KeyslotAreas(Luks2Metadata metadata) => First(metadata.Keyslots, slot =>
        slot.Area.Size > 0 && slot.Area.Offset >= 2 * metadata.HeaderSize && slot.Area.End <= metadata.TotalSize
            ? null
            : $"The area of key slot {slot.Number} has {slot.Area.Size} bytes at {slot.Area.Offset}, but must lie between {2 * metadata.HeaderSize} and {metadata.TotalSize}.");

    private static string? KeyslotOverlaps(Luks2Metadata metadata) =>
        Overlap(metadata.Keyslots.Select(slot => new Range("the area of key slot", slot.Number, slot.Area.Offset, slot.Area.Size)));

    private static string? UnprovenKeyslots(Luks2Metadata metadata) => First(metadata.Keyslots.Where(slot => slot.IsLuks2), slot =>
        metadata.Digests.Count(digest => digest.Keyslots.Contains(slot.Number)) is var count and not 1
            ? $"{count} digests prove the key of slot {slot.Number}, but it must be 1."
            : null);

    private static string? ReencryptKeyslots(Luks2Metadata metadata)
    {
        int slots = metadata.Keyslots.Count(slot => slot.Type == Luks2Keyslot.ReencryptType);
        bool fits = slots <= 1
            && (slots == 1 || !Luks2Requirements.KnowsReencryption(metadata.Config))
            && (slots == 0 || Luks2Requirements.NamesReencryption(metadata.Config));
        return fits ? null : $"The LUKS2 metadata has {slots} key slots for re-encryption, which does not fit its requirements.";
    }

    private static string? Overlap(IEnumerable<Range> ranges)
    {
        Range[] byStart = [.. ranges.OrderBy(range => range.Offset)];
        return First(Enumerable.Range(1, Math.Max(0, byStart.Length - 1)), index => byStart[index - 1].Reaches(byStart[index].Offset)
            ? $"The place of {byStart[index].Kind} {byStart[index].Number} at byte {byStart[index].Offset} is inside that of {byStart[index - 1].Number}."
            : null);
    }

    private static string? First<T>(IEnumerable<T> items, Func<T, string?> violation) =>
        items.Select(violation).FirstOrDefault(sentence => sentence is not null);

    private readonly record struct Range(string Kind, int Number, ulong Offset, ulong Size)
    {
        public bool Reaches(ulong offset) => offset - Offset < Size;
    }
}
