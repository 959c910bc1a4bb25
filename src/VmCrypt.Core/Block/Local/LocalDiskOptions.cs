namespace VmCrypt.Core.Block.Local;

/// <summary>How a local file or block device is opened.</summary>
public sealed record LocalDiskOptions
{
    public static LocalDiskOptions ReadOnly { get; } = new();

    public static LocalDiskOptions ReadWrite { get; } = new() { Writable = true };

    public bool Writable { get; init; }

    public ImageLocking Locking { get; init; } = ImageLocking.Exclude;
}

/// <summary>How an open image stands to other processes, in the terms of QEMU's image locks.</summary>
public enum ImageLocking
{
    /// <summary>Readers share with readers; a writer shares with nobody. What QEMU does.</summary>
    Exclude,

    /// <summary>Read whatever others do to the image meanwhile (<c>qemu-img -U</c>). Only for reading; what is read may be inconsistent.</summary>
    ForceShare,

    /// <summary>Neither take nor respect locks, for file systems that have none. The caller answers for the image.</summary>
    None,
}
