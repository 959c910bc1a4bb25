using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Core.Wipe;

/// <summary>The free space of a file system, to be filled, wiped and given back.</summary>
public sealed record FreeSpaceRequest
{
    /// <summary>A folder of the file system.</summary>
    public required string Folder { get; init; }

    public required WipeStandard Standard { get; init; }

    public VerifyMode? Verify { get; init; }

    /// <summary>Bytes to leave free for everybody else; null for one in a hundred, at least 256 MiB.</summary>
    public long? ReserveBytes { get; init; }

    public long BytesPerSecond { get; init; }

    public bool Idle { get; init; }
}
