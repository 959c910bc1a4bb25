namespace VmCrypt.Core.Wipe.Medium;

public enum TargetKind
{
    File,
    BlockDevice,
    Nbd,

    /// <summary>The free space of a file system, reached by filling it.</summary>
    FreeSpace,
}

/// <summary>What is known about a target and what lies below it; lengths in bytes.</summary>
public sealed record MediumFacts
{
    public required TargetKind Kind { get; init; }

    public required string Path { get; init; }

    public required long Length { get; init; }

    /// <summary>Bytes backed by storage: what the passes cover.</summary>
    public required long AllocatedBytes { get; init; }

    /// <summary>Runs on the device; null where the file system does not tell.</summary>
    public int? ExtentCount { get; init; }

    /// <summary>Bytes whose blocks other files or snapshots use, too.</summary>
    public long SharedBytes { get; init; }

    public FileSystemFacts? FileSystem { get; init; }

    public DiskFacts? Disk { get; init; }
}
