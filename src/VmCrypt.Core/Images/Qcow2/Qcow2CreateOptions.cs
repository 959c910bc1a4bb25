namespace VmCrypt.Core.Images.Qcow2;

/// <summary>What a new qcow2 image shall be.</summary>
public sealed record Qcow2CreateOptions
{
    /// <summary>Size of the guest's disk in bytes, a multiple of 512.</summary>
    public required long Size { get; init; }

    /// <summary>Bytes, a power of two from 512 to 2 MiB.</summary>
    public int ClusterSize { get; init; } = 65536;

    /// <summary>A power of two from 1 to 64; 16 in version 2.</summary>
    public int RefcountBits { get; init; } = 16;

    /// <summary>2 (compat 0.10) or 3 (compat 1.1).</summary>
    public int Version { get; init; } = 3;

    /// <summary>Written as it is; null for an image that stands alone.</summary>
    public string? BackingPath { get; init; }

    /// <summary>Required with <see cref="BackingPath"/>: without it readers would have to guess from what the guest wrote.</summary>
    public string? BackingFormat { get; init; }

    public Preallocation Preallocation { get; init; }

    /// <summary>Divides each cluster into 32 subclusters; version 3, clusters of 16 KiB and more.</summary>
    public bool ExtendedL2 { get; init; }

    /// <summary>Name of an external data file, written as it is; null keeps the data in the image.</summary>
    public string? DataFile { get; init; }

    /// <summary>Keeps the external data file readable as a raw image.</summary>
    public bool DataFileIsRaw { get; init; }

    /// <summary>For those who write compressed clusters into the image later; we only read them.</summary>
    public Qcow2CompressionType CompressionType { get; init; }

    /// <summary>Allows others to write refcounts late.</summary>
    public bool LazyRefcounts { get; init; }

    /// <summary>Bytes to leave for a LUKS header (crypt_method 2); 0 for a plain image.</summary>
    public long EncryptionHeaderLength { get; init; }
}
