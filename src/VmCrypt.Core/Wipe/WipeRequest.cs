using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Core.Wipe;

/// <summary>What becomes of a target whose bytes are gone.</summary>
public enum AfterWipe
{
    Keep,

    /// <summary>A file is renamed to a random name and deleted, the folder flushed after each step.</summary>
    Delete,

    /// <summary>A file's blocks are given back (holes), a device's or export's trimmed.</summary>
    Trim,
}

/// <summary>What is to be wiped, and how.</summary>
public sealed record WipeRequest
{
    /// <summary>A file, a block device or an NBD URI.</summary>
    public required string Path { get; init; }

    /// <summary>Null for the standard that a policy requires, else <c>Zero</c>.</summary>
    public WipeStandard? Standard { get; init; }

    /// <summary>Null for what the standard says.</summary>
    public VerifyMode? Verify { get; init; }

    /// <summary>A pass of zeros at the end.</summary>
    public bool Blank { get; init; }

    /// <summary>0 for no limit.</summary>
    public long BytesPerSecond { get; init; }

    /// <summary>How often the target is flushed and its journal saved.</summary>
    public TimeSpan FlushEvery { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Let everybody else's I/O go first.</summary>
    public bool Idle { get; init; }

    public AfterWipe After { get; init; }

    /// <summary>The folder of the journal; null for beside a file, or the configuration folder for other targets.</summary>
    public string? StatePath { get; init; }

    /// <summary>Follow a symbolic link, and wipe a file that has other names.</summary>
    public bool AllowLinks { get; init; }

    /// <summary>Wipe an image even though others are built on it.</summary>
    public bool Force { get; init; }

    /// <summary>Throw away the journal of a wipe that was begun, and start anew.</summary>
    public bool Restart { get; init; }

    /// <summary>The file of a detached LUKS header: for a cryptographic erase, and to go along with <see cref="WipeInclude.Header"/>.</summary>
    public string? HeaderPath { get; init; }

    /// <summary>What <see cref="WipePlan.Identity"/> said of the target when it was planned and confirmed; another one is refused. Null for whatever has the name.</summary>
    public string? PlannedIdentity { get; init; }

    /// <summary>The VM that the disk belongs to, for the policy.</summary>
    public string? VM { get; init; }

    /// <summary>The VM's name once more, where the policy wants a second confirmation.</summary>
    public string? ConfirmedVM { get; init; }

    /// <summary>What of the files that belong to an image is wiped along with it; see <see cref="WipeService.ExpandAsync"/>.</summary>
    public WipeInclude Include { get; init; }

    /// <summary>Full paths of images that are, or were, wiped along with this one, and so no longer depend on it.</summary>
    public IReadOnlyList<string> Together { get; init; } = [];

    /// <summary>The wipe was confirmed when it was begun.</summary>
    internal bool Confirmed { get; init; }
}
