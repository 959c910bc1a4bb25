namespace VmCrypt.Core.Images.Qcow2;

/// <summary>How to open a qcow2 image.</summary>
public sealed record Qcow2OpenOptions
{
    /// <summary>Whether the guest may write. Opening itself never writes.</summary>
    public bool Writable { get; init; }

    /// <summary>Memory for L2 tables and refcount blocks, in bytes; 32 MiB map 256 GiB of disk at 64 KiB clusters.</summary>
    public int MetadataCacheBytes { get; init; } = 32 * 1024 * 1024;

    /// <summary>
    /// A conversion in place rewrites guest data up to this byte of the file: no place before it is given out or back, and the header, of
    /// which the conversion has copies, stays as it is. Null for an ordinary image.
    /// </summary>
    internal long? ConvertedEnd { get; init; }
}
