using VmCrypt.Core.Images;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Proof;

/// <summary>What a file is to its disk.</summary>
public enum LayerRole
{
    /// <summary>The image that the guest writes.</summary>
    Active,

    /// <summary>The external data file of the image before it.</summary>
    DataFile,

    /// <summary>A detached LUKS header.</summary>
    Header,

    /// <summary>An image behind the active one.</summary>
    Backing,
}

/// <summary>What was found out about one file of a disk.</summary>
public sealed record LayerProof
{
    public required string Path { get; init; }

    public required LayerRole Role { get; init; }

    public required ImageFormat Format { get; init; }

    /// <summary>What the layer declares.</summary>
    public required EncryptionPlacement Encryption { get; init; }

    /// <summary>The cipher as dm-crypt writes it; null for plain layers.</summary>
    public string? Cipher { get; init; }

    public required ProofVerdict Verdict { get; init; }

    /// <summary>Bytes of the file.</summary>
    public required long Length { get; init; }

    public required ProofBytes Bytes { get; init; }

    /// <summary>The file from its start to its end, a letter of <see cref="ProofMap"/> for each of up to <see cref="ProofMap.Cells"/> equal parts.</summary>
    public required string Map { get; init; }

    /// <summary>How many blocks of 4096 bytes have an entropy of n/<see cref="EntropyStepsPerBit"/> bits per byte or little more, by n.</summary>
    public required long[] EntropyHistogram { get; init; }

    /// <summary>The key slot that was opened; null where none was, or the volume key itself was given.</summary>
    public int? OpenedSlot { get; init; }

    /// <summary>The key that was given is the one that the header's digest knows.</summary>
    public bool KeyProven { get; init; }

    public const int EntropyStepsPerBit = 8;
}

/// <summary>Why a range is not as it should be.</summary>
public enum FindingKind
{
    /// <summary>Its bytes are not spread as those of ciphertext are.</summary>
    LowEntropy,

    /// <summary>It is text.</summary>
    Text,

    /// <summary>It begins as a file system, a partition table, an archive or a program does.</summary>
    Signature,

    /// <summary>Up to 1 MiB of bytes that pass one by one, but together are not spread evenly, as compressed data often are.</summary>
    Biased,

    /// <summary>A compressed cluster, which qcow2 stores in plain whatever its header says.</summary>
    CompressedCluster,

    /// <summary>Cipher blocks of 16 bytes repeat within a block of the disk, as under ECB.</summary>
    RepeatedBlocks,

    /// <summary>A sector starts as another one does at another place: an IV was used twice, or none.</summary>
    RepeatedSector,

    /// <summary>Key material of an active slot that is not what a slot holds: the slot cannot open.</summary>
    KeyMaterial,

    /// <summary>The key does not give the same ciphertext again.</summary>
    KeyMismatch,

    /// <summary>The range could not be read.</summary>
    Unreadable,

    /// <summary>Tables of the container are damaged, so what they refer to was not followed.</summary>
    TableDefect,
}

/// <summary>A range that is not as it should be; neighbours of one kind are one finding.</summary>
/// <param name="Path">The layer's file.</param>
/// <param name="HostOffset">Bytes into the file.</param>
/// <param name="Length">Bytes of the file.</param>
/// <param name="GuestOffset">Bytes into the disk that the guest sees; null where it does not see the range.</param>
/// <param name="Use">What the range is for.</param>
/// <param name="Detail">What was recognised, or where the other sector lies.</param>
public sealed record ProofFinding(
    string Path, FindingKind Kind, long HostOffset, long Length, long? GuestOffset, HostUse Use, string? Detail)
{
    public override string ToString() => $"{Kind} at {HostOffset} (+{Length}){(Detail is null ? string.Empty : $": {Detail}")}";
}
