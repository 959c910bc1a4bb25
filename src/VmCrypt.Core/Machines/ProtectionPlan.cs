using VmCrypt.Core.Conversion;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Machines;

/// <summary>How a VM's disk is to be encrypted.</summary>
public sealed record ProtectionPlan
{
    /// <summary>The file of the encrypted copy, which must not exist yet; null: beside the old disk, with <c>.luks</c> in its name.</summary>
    public DiskLocation? Destination { get; init; }

    /// <summary>The new disk, for so many bytes of the old one.</summary>
    public required Func<long, NewDisk> DiskOf { get; init; }

    public CopyOptions Copying { get; init; } = new();

    public ReferencePolicy References { get; init; } = ReferencePolicy.Default;
}

/// <summary>What has been done, and is on the medium, where a protection may be stopped.</summary>
internal enum ProtectionStep
{
    Recorded,
    Copied,
    Proven,
    SecretSet,
    Switched,
    Done,
}
