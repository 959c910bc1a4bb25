namespace VmCrypt.Core.Images.Qcow2;

public enum Qcow2MappingKind
{
    /// <summary>Neither data nor zeros here: the backing file shows through.</summary>
    Unallocated,

    /// <summary>Reads as zeros whatever lies below; may have storage all the same.</summary>
    Zero,

    /// <summary>Stored as it is (encrypted, if the image is).</summary>
    Data,

    /// <summary>Stored compressed, and in plain text even in an encrypted image.</summary>
    Compressed,
}

/// <summary>What one layer says about a run of its disk.</summary>
/// <param name="GuestOffset">Bytes into the disk.</param>
/// <param name="Length">Bytes of the disk.</param>
/// <param name="Kind">What the run is.</param>
/// <param name="HostOffset">Bytes into the file (or the data file); null where the run has no storage.</param>
/// <param name="HostLength">Bytes of storage: equal to <paramref name="Length"/> unless compressed.</param>
public readonly record struct Qcow2Mapping(long GuestOffset, long Length, Qcow2MappingKind Kind, long? HostOffset, long HostLength);
