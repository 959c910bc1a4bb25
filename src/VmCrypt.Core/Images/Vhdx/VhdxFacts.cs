namespace VmCrypt.Core.Images.Vhdx;

/// <summary>What kind of virtual disk a VHDX or VHD file is; the words are Hyper-V's.</summary>
public enum VirtualDiskKind
{
    /// <summary>Every block has its place from the start.</summary>
    Fixed,

    /// <summary>Blocks get their places as they are written.</summary>
    Dynamic,

    /// <summary>Holds what was changed since a parent disk was set aside.</summary>
    Differencing,
}

/// <summary>The parent of a differencing disk exactly as the file names it; nobody has looked at the paths yet.</summary>
/// <param name="Id">How the parent is recognised: its data_write_guid (VHDX) or its unique id (VHD).</param>
/// <param name="RelativePath">From the file's own folder, with backslashes; null where there is none.</param>
/// <param name="AbsolutePath">Of Windows, with a drive letter; null where there is none.</param>
public sealed record VirtualDiskParent(Guid Id, string? RelativePath, string? AbsolutePath);

/// <summary>What the headers of a VHDX file say, in the words of a person.</summary>
public sealed record VhdxFacts
{
    public required VirtualDiskKind Kind { get; init; }

    /// <summary>Bytes.</summary>
    public required int BlockSize { get; init; }

    /// <summary>Size of the guest's disk in bytes.</summary>
    public required long VirtualSize { get; init; }

    /// <summary>Bytes; 512 or 4096.</summary>
    public required int LogicalSectorSize { get; init; }

    /// <summary>Bytes; 512 or 4096.</summary>
    public required int PhysicalSectorSize { get; init; }

    /// <summary>What SCSI tells the guest (page 0x83).</summary>
    public required Guid DiskId { get; init; }

    /// <summary>Changes with the content; a differencing disk knows its parent by it.</summary>
    public required Guid DataWriteGuid { get; init; }

    /// <summary>Null where there is none.</summary>
    public required VirtualDiskParent? Parent { get; init; }

    /// <summary>The file was not closed: its log is replayed in memory when it is opened, and for real before the first change.</summary>
    public required bool IsLogPending { get; init; }
}
