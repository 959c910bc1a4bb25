using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images;

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

/// <summary>What a new VHDX or VHD file shall be, beside its size.</summary>
public sealed record VirtualDiskOptions
{
    /// <summary>Bytes in which a dynamic disk grows; null for the format's own choice.</summary>
    public int? BlockSize { get; init; }

    /// <summary>Bytes; 4096 only for VHDX.</summary>
    public int LogicalSectorSize { get; init; } = 512;

    /// <summary>Makes a differencing disk over it.</summary>
    public VirtualDiskParent? Parent { get; init; }
}

/// <summary>A disk of Hyper-V's formats, which may be the child of another of its format.</summary>
public interface IVirtualDisk : IBlockDevice
{
    VirtualDiskKind Kind { get; }

    /// <summary>By which a child knows this disk.</summary>
    Guid Identity { get; }

    /// <summary>The parent that the file names; null if the disk stands alone.</summary>
    VirtualDiskParent? Parent { get; }

    /// <summary>Bytes beyond which the disk cannot grow: the format's limit, or that of this file's blocks.</summary>
    long MaxLength { get; }

    /// <summary>Whether the disk of that <see cref="Identity"/> is the parent.</summary>
    bool IsParent(Guid identity);

    /// <summary>What shows through where this disk has nothing; takes it. May be shorter or longer than this disk.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.ImageLayerUnexpected"/>.</exception>
    void AttachParent(IBlockDevice parent);

    /// <summary>Makes the file as short as its content, which stays what it is: drops blocks of zeros, moves others into gaps, cuts the end off. Wants to be alone.</summary>
    /// <returns>By how many bytes the file has become shorter.</returns>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.CompactUnsupported"/>: a fixed disk.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.BlockTablesDamaged"/>, or the id of a damaged entry.</exception>
    ValueTask<long> CompactAsync(IProgress<JobProgress> progress, CancellationToken cancellationToken);
}
