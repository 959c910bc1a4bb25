namespace VmCrypt.Core.Images.Vhdx;

/// <summary>A new VHDX file.</summary>
public sealed record VhdxCreateOptions
{
    /// <summary>Bytes of the guest's disk, a multiple of the logical sectors; at most 64 TiB.</summary>
    public required long Size { get; init; }

    /// <summary>Bytes, a power of two from 1 to 256 MiB; Hyper-V's own choice is 32 MiB, and 1 MiB for ext4.</summary>
    public int BlockSize { get; init; } = 32 * 1024 * 1024;

    /// <summary>Bytes; 512 or 4096.</summary>
    public int LogicalSectorSize { get; init; } = 512;

    /// <summary>Bytes; 512 or 4096.</summary>
    public int PhysicalSectorSize { get; init; } = 4096;

    /// <summary>Bytes, a multiple of 1 MiB.</summary>
    public int LogBytes { get; init; } = 1024 * 1024;

    /// <summary><see cref="Preallocation.Off"/> makes a dynamic disk, everything else a fixed one.</summary>
    public Preallocation Preallocation { get; init; }

    /// <summary>The parent of a differencing disk, with one path at least; null makes a disk that stands alone.</summary>
    public VirtualDiskParent? Parent { get; init; }
}
