namespace VmCrypt.Core.Luks.Luks2.Reencrypt;

/// <summary>A part of the payload that is rewritten in one step, in bytes from the start of the finished payload.</summary>
internal readonly record struct Luks2Zone(long Offset, long Length)
{
    public long End => Offset + Length;
}

/// <summary>How far a re-encryption is.</summary>
/// <param name="Done">Bytes rewritten, in the order of the course.</param>
/// <param name="Hot">The zone that may be half rewritten; null for none.</param>
internal readonly record struct Luks2ReencryptPosition(long Done, Luks2Zone? Hot = null);

/// <summary>In which order the payload is rewritten, and whether it moves.</summary>
internal enum Luks2Course
{
    /// <summary>From its start on, in its place.</summary>
    Forward,

    /// <summary>From its end on, in its place.</summary>
    Backward,

    /// <summary>
    /// A plain disk moves up to make room for the header in front. Its first bytes lie behind the end meanwhile, because the header
    /// took their place; the rest is rewritten from its end on, the moved part last.
    /// </summary>
    MoveUp,

    /// <summary>
    /// The disk moves down over the room of its header, which is a file of its own by now. Its first bytes, still encrypted,
    /// have been moved already; the rest is rewritten from its start on, the moved part last, in its place.
    /// </summary>
    MoveDown,
}
