using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Ovirt;

/// <summary>A volume of a file storage domain, with those that it stands on.</summary>
public sealed record OvirtVolume
{
    /// <summary>The volume's file.</summary>
    public required string Path { get; init; }

    public required Guid VolumeUuid { get; init; }

    /// <summary>The image in whose folder the volume lies; a template's volume lies in the folders of all disks that stand on it.</summary>
    public required Guid ImageUuid { get; init; }

    /// <summary>The storage pool, which is the data center; null where the domain belongs to none.</summary>
    public Guid? PoolUuid { get; init; }

    /// <summary>What the volume's .meta file says.</summary>
    public required OvirtMeta Meta { get; init; }

    public Guid DomainUuid => Meta.DomainUuid;

    public OvirtFormat Format => Meta.Format;

    public OvirtRole Role => Meta.Role;

    public OvirtLegality Legality => Meta.Legality;

    public long Capacity => Meta.Capacity;

    public string? Alias => Meta.Alias;

    /// <summary>The volume that this one stands on; null for none.</summary>
    public OvirtVolume? Parent { get; init; }

    /// <summary>The files of the chain, this one first.</summary>
    public string[] Chain => Parent is null ? [Path] : [Path, .. Parent.Chain];

    /// <summary>The image itself; null where it cannot be read.</summary>
    public ImageDescription? Image { get; init; }

    /// <summary>Null where the image cannot be read.</summary>
    public EncryptionPlacement? Encryption => Image?.Encryption;

    /// <summary>Why <see cref="Image"/> is null, or what is wrong between it and the .meta files.</summary>
    public VmCryptException? Trouble { get; init; }
}
