namespace VmCrypt.Core.Wipe.Medium;

[Flags]
internal enum ExtentTraits
{
    None = 0,

    /// <summary>Other files, or snapshots, use the same blocks.</summary>
    Shared = 1,

    /// <summary>Compressed or encrypted by the file system.</summary>
    Encoded = 2,

    /// <summary>The bytes stand in the file's metadata, or share a block with other things.</summary>
    Inline = 4,

    /// <summary>Reserved but never written.</summary>
    Unwritten = 8,

    /// <summary>The file system does not tell where it is.</summary>
    Nowhere = 16,
}

/// <summary>Where a run of a file's bytes lies on the device below its file system; all in bytes.</summary>
internal readonly record struct PhysicalExtent(long Logical, long Physical, long Length, ExtentTraits Traits)
{
    public long End => Logical + Length;
}
