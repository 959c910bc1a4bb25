namespace VmCrypt.Core.Block.Local;

/// <summary>How a new file is laid out.</summary>
public sealed record FileCreateOptions
{
    public static FileCreateOptions Sparse { get; } = new();

    /// <summary>Size in bytes to begin with.</summary>
    public long Length { get; init; }

    public FilePreallocation Preallocation { get; init; }
}

/// <summary>The names and meanings of qemu-img.</summary>
public enum FilePreallocation
{
    /// <summary>A hole.</summary>
    Off,

    /// <summary>Storage is reserved, so that later writes do not find the disk full.</summary>
    Falloc,

    /// <summary>Storage is reserved by writing zeros, which every file system can do.</summary>
    Full,
}
