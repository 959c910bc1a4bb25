namespace VmCrypt.Core.Images.Vhd;

/// <summary>What footer and header of a VHD file say, in the words of a person.</summary>
public sealed record VhdFacts
{
    public required VirtualDiskKind Kind { get; init; }

    /// <summary>Bytes; null for a fixed disk, which has no blocks.</summary>
    public required int? BlockSize { get; init; }

    /// <summary>Size of the guest's disk in bytes.</summary>
    public required long VirtualSize { get; init; }

    /// <summary>Who made the file, in four letters: "win " is Hyper-V.</summary>
    public required string CreatorApplication { get; init; }

    /// <summary>By which a differencing disk knows its parent.</summary>
    public required Guid UniqueId { get; init; }

    /// <summary>Null where there is none.</summary>
    public required VirtualDiskParent? Parent { get; init; }

    /// <summary>A virtual machine is suspended with the disk, which is not written therefore.</summary>
    public required bool IsInSavedState { get; init; }
}
