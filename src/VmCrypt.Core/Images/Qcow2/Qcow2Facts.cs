namespace VmCrypt.Core.Images.Qcow2;

public enum Qcow2CryptMethod
{
    None = 0,

    /// <summary>The legacy scheme: AES-128-CBC, the IV counts guest sectors, the key is the passphrase itself.</summary>
    Aes = 1,

    /// <summary>A LUKS header inside of the image; IVs count sectors of the file.</summary>
    Luks = 2,
}

public enum Qcow2CompressionType
{
    Deflate = 0,
    Zstd = 1,
}

/// <summary>A file that an image names, exactly as it is written there; nobody has looked at the path yet.</summary>
/// <param name="Format">Null where the image does not say; guessing it from the content is a known security hole.</param>
public sealed record Qcow2Backing(string Path, string? Format);

/// <summary>What the header of an image says, in the words of a person.</summary>
public sealed record Qcow2Facts
{
    /// <summary>2 (compat 0.10) or 3 (compat 1.1).</summary>
    public required int Version { get; init; }

    /// <summary>Bytes.</summary>
    public required int ClusterSize { get; init; }

    /// <summary>Size of the guest's disk in bytes.</summary>
    public required long VirtualSize { get; init; }

    public required int RefcountBits { get; init; }

    public required bool ExtendedL2 { get; init; }

    public required Qcow2CompressionType CompressionType { get; init; }

    public required Qcow2CryptMethod CryptMethod { get; init; }

    public required Qcow2Backing? Backing { get; init; }

    /// <summary>Whether guest data is in another file.</summary>
    public required bool HasDataFile { get; init; }

    /// <summary>Name of the external data file; null if there is none or the image does not name it.</summary>
    public required string? DataFile { get; init; }

    /// <summary>The external data file is a raw image by itself.</summary>
    public required bool DataFileIsRaw { get; init; }

    /// <summary>Where the LUKS header lies in the file; null unless <see cref="CryptMethod"/> is Luks.</summary>
    public required Qcow2EncryptionHeader? EncryptionHeader { get; init; }

    /// <summary>Refcounts may be wrong: the image was not closed. They are rebuilt before the first write.</summary>
    public required bool IsDirty { get; init; }

    /// <summary>Somebody found damage and marked the image; it is not written any more.</summary>
    public required bool IsCorrupt { get; init; }

    public required string[] IncompatibleFeatures { get; init; }

    public required string[] CompatibleFeatures { get; init; }

    public required string[] AutoclearFeatures { get; init; }
}
