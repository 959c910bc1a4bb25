namespace VmCrypt.Core.Luks.Luks2.Reencrypt;

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
