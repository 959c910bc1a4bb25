namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>The VM runs, or sleeps in a saved state, and the change is for one that is shut down.</summary>
    public const string VmRunning = nameof(VmRunning);

    /// <summary>The VM's disk is of a kind that cannot be replaced by an encrypted copy.</summary>
    public const string VmDiskUnfit = nameof(VmDiskUnfit);

    /// <summary>The VM's disk was replaced by an encrypted copy already.</summary>
    public const string VmDiskProtected = nameof(VmDiskProtected);

    /// <summary>There is no record of the VM's disk before it was encrypted.</summary>
    public const string VmDiskNotProtected = nameof(VmDiskNotProtected);

    /// <summary>The old or the encrypted disk was written since, so that going back would lose something.</summary>
    public const string VmDiskChanged = nameof(VmDiskChanged);

    /// <summary>The encrypted copy does not show what the old disk holds.</summary>
    public const string CopyNotProven = nameof(CopyNotProven);

    /// <summary>Other disks open by the same secret of libvirt, which can therefore not follow the passphrase of one.</summary>
    public const string LibvirtSecretShared = nameof(LibvirtSecretShared);
}
