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

    /// <summary>The folder of the journal; null for the configuration folder.</summary>
    public string? StatePath { get; init; }

    /// <summary>Take away what a stopped wipe has left, and start anew.</summary>
    public bool Restart { get; init; }

    /// <summary>How often the files are flushed and the journal saved.</summary>
    public TimeSpan FlushEvery { get; init; } = TimeSpan.FromSeconds(5);

    public long BytesPerSecond { get; init; }

    public bool Idle { get; init; }

    internal WipeRequest ToWipe(string folder) => new()
    {
        Path = folder,
        Standard = Standard,
        Verify = Verify,
        BytesPerSecond = BytesPerSecond,
        Idle = Idle,
        FlushEvery = FlushEvery,
        StatePath = StatePath,
        Restart = Restart,
    };
}
