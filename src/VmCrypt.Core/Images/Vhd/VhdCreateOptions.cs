namespace VmCrypt.Core.Images.Vhd;

/// <summary>A new VHD file.</summary>
public sealed record VhdCreateOptions
{
    /// <summary>Bytes of the guest's disk, a multiple of 512; at most 2040 GiB.</summary>
    public required long Size { get; init; }

    /// <summary>Bytes, a power of two from 512 KiB to 256 MiB; all makers use 2 MiB, and some readers know no other.</summary>
    public int BlockSize { get; init; } = 2 * 1024 * 1024;

    /// <summary><see cref="Preallocation.Off"/> makes a dynamic disk, everything else a fixed one.</summary>
    public Preallocation Preallocation { get; init; }

    /// <summary>The parent of a differencing disk, with one path at least; null makes a disk that stands alone.</summary>
    public VirtualDiskParent? Parent { get; init; }
}
