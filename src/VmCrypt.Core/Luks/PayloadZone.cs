namespace VmCrypt.Core.Luks;

/// <summary>A part of a payload that is rewritten in one step, in bytes from the start of the finished payload.</summary>
internal readonly record struct PayloadZone(long Offset, long Length)
{
    public long End => Offset + Length;

    public bool Overlaps(PayloadZone other) => Offset < other.End && other.Offset < End;
}

/// <summary>How far a payload is rewritten.</summary>
/// <param name="Done">Bytes rewritten, in the order of the plan.</param>
/// <param name="Hot">The zone that may be half rewritten; null for none.</param>
internal readonly record struct PayloadPosition(long Done, PayloadZone? Hot = null);
