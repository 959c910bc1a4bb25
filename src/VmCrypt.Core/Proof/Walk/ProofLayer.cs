using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Proof.Walk;

/// <summary>One file of a disk, and what each byte of it is for.</summary>
internal sealed class ProofLayer
{
    public required DiskLocation Location { get; init; }

    public required LayerRole Role { get; init; }

    public required ImageFormat Format { get; init; }

    public required EncryptionPlacement Encryption { get; init; }

    public string? Cipher { get; init; }

    /// <summary>Borrowed.</summary>
    public required IBlockDevice File { get; init; }

    /// <summary>In order, without gaps.</summary>
    public required IEnumerable<HostArea> Areas { get; init; }

    public IReadOnlyList<string> Defects { get; init; } = [];

    /// <summary>Bytes of a cluster of the container; 0 where it has none.</summary>
    public int ClusterSize { get; init; }

    /// <summary>What decrypts it, where its key was given; owned by whoever made it.</summary>
    public LayerKey? Key { get; set; }

    /// <summary>
    /// Whether the IV follows the place in the file. Where it follows the guest's sector, copies of one sector (in a snapshot,
    /// in a cluster that was freed) have the same ciphertext, and rightly so.
    /// </summary>
    public bool IvIsOfHost => Encryption == EncryptionPlacement.Inside;
}
