namespace VmCrypt.Core.Images.Vhdx;

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
