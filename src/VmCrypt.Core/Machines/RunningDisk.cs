using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Machines;

/// <summary>A disk that a running VM has open.</summary>
/// <param name="Location">Where this machine reads it, too.</param>
/// <param name="NodeName">QEMU's name of it; null finds the node whose file it is.</param>
public sealed record RunningDisk(DiskLocation Location, DiskOpenOptions Options, string? NodeName = null)
{
    /// <summary>libvirt's secret of the disk does not follow a change of the passphrase.</summary>
    public bool KeepsSecret { get; init; }
}

/// <summary>What has been done, and is on the medium, where a change of a running VM's key slots may fail.</summary>
internal enum RunningStep
{
    Filled,
    Proven,
    SecretSet,
    Erased,
}
