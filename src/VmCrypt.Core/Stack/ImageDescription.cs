using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Images.Vhd;
using VmCrypt.Core.Images.Vhdx;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Stack;

/// <summary>Where a disk stands, for an inventory.</summary>
public enum ImageStanding
{
    /// <summary>Encrypted as its header says, and nothing is known against it.</summary>
    Encrypted,

    /// <summary>Encrypted, with something in <see cref="ImageDescription.Weaknesses"/>.</summary>
    Weak,

    /// <summary>Under the AES of qcow.</summary>
    Legacy,

    Plain,

    /// <summary>Nobody can say: <see cref="ImageDescription.Unusable"/> tells why.</summary>
    Unknown,
}

/// <summary>All that can be said of an image without its key.</summary>
/// <remarks>Lists are arrays, because those are what PowerShell can index.</remarks>
public sealed record ImageDescription
{
    /// <summary>The full path or NBD URI.</summary>
    public required string Path { get; init; }

    /// <summary>The outermost layer.</summary>
    public required ImageFormat Format { get; init; }

    /// <summary>Bytes of the disk that the guest sees.</summary>
    public required long VirtualSize { get; init; }

    /// <summary>Bytes of storage that the file really takes; less than its length where it is sparse.</summary>
    public required long AllocatedSize { get; init; }

    public required EncryptionPlacement Encryption { get; init; }

    public bool IsEncrypted => Encryption != EncryptionPlacement.None;

    /// <summary>The LUKS header; null for plain and legacy images.</summary>
    public LuksFacts? Luks { get; init; }

    /// <summary>The qcow2 header; null for other formats.</summary>
    public Qcow2Facts? Qcow2 { get; init; }

    /// <summary>The headers of a VHDX file; null for other formats.</summary>
    public VhdxFacts? Vhdx { get; init; }

    /// <summary>Footer and header of a VHD file; null for other formats.</summary>
    public VhdFacts? Vhd { get; init; }

    public Qcow2Snapshot[] Snapshots { get; init; } = [];

    /// <summary>The image behind this one; null where there is none or it was not to be opened.</summary>
    public ImageDescription? Backing { get; init; }

    /// <summary>A writer (most often a running VM) has the image open, so what was read may be changing.</summary>
    public bool InUse { get; init; }

    /// <summary>What is weak about the encryption; empty where nothing is known.</summary>
    public Weakness[] Weaknesses { get; init; } = [];

    /// <summary>How far an unfinished conversion in its place is; null where none is under way.</summary>
    public ReencryptionFacts? Conversion { get; init; }

    /// <summary>How far an unfinished conversion of this image and all those behind it is; null where none is under way.</summary>
    public ChainFacts? Chain { get; init; }

    /// <summary>Why the image cannot be opened in spite of being recognised; null when it can.</summary>
    public VmCryptException? Unusable { get; init; }

    /// <summary>Where the disk stands by what its headers say; whether its bytes agree is another question.</summary>
    public ImageStanding Standing => Encryption switch
    {
        EncryptionPlacement.None => Unusable is null ? ImageStanding.Plain : ImageStanding.Unknown,
        EncryptionPlacement.LegacyAes => ImageStanding.Legacy,
        _ => Weaknesses.Length > 0 ? ImageStanding.Weak : ImageStanding.Encrypted,
    };

    /// <summary>The cipher as dm-crypt writes it; null for plain images.</summary>
    public string? Cipher => Luks?.Cipher ?? (Encryption == EncryptionPlacement.LegacyAes ? "aes-cbc-plain64" : null);

    /// <summary>Bits of the volume key; null for plain images.</summary>
    public long? KeySize => Luks is { } luks ? luks.KeySize * 8 : Encryption == EncryptionPlacement.LegacyAes ? 128 : null;

    /// <summary>Key slots in use.</summary>
    public int ActiveKeySlots => Luks?.Slots.Count(slot => slot.IsActive) ?? 0;
}
