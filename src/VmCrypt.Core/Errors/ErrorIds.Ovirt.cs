namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>The folder is no file storage domain of oVirt, and holds none.</summary>
    public const string OvirtDomainInvalid = nameof(OvirtDomainInvalid);

    /// <summary>A .meta file breaks the rules of vdsm, or speaks of another volume than the one it lies beside.</summary>
    public const string OvirtMetaInvalid = nameof(OvirtMetaInvalid);

    /// <summary>The volumes of a disk form no chain: a parent is missing, or is its own ancestor.</summary>
    public const string OvirtChainBroken = nameof(OvirtChainBroken);

    /// <summary>The chain that the .meta files tell is not the one that the qcow2 headers tell.</summary>
    public const string OvirtChainMismatch = nameof(OvirtChainMismatch);

    /// <summary>The storage domain has no such image or volume.</summary>
    public const string OvirtImageMissing = nameof(OvirtImageMissing);
}
