using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Libvirt;

/// <summary>How the definition of a disk and the image itself agree on encryption.</summary>
public enum VmDiskEncryption
{
    /// <summary>The image lies where this machine cannot look, and its definition says nothing.</summary>
    Unknown,

    Plain,

    Encrypted,

    /// <summary>The image is LUKS and the definition does not say so: the guest sees ciphertext, and writes over it.</summary>
    ElementMissing,

    /// <summary>The definition says LUKS and the image is none: the VM does not start.</summary>
    ImagePlain,

    /// <summary>The legacy AES of qcow: broken by design, to be converted.</summary>
    Legacy,
}

/// <summary>A disk of a VM: what the VM's definition says of it, and what the image says.</summary>
public sealed record VmDisk
{
    public required string VmName { get; init; }

    /// <summary>Null where the hypervisor does not say.</summary>
    public Guid? VmUuid { get; init; }

    public bool IsRunning { get; init; }

    /// <summary>The name by which the VM's definition tells its disks apart.</summary>
    public required string Target { get; init; }

    /// <summary>The file, device or URI; null for an empty drive.</summary>
    public string? Path { get; init; }

    /// <summary>The definition; null where the hypervisor is not libvirt.</summary>
    public DiskDefinition? Definition { get; init; }

    /// <summary>The image; null where this machine cannot look at it.</summary>
    public ImageDescription? Image { get; init; }

    /// <summary>Why <see cref="Image"/> is null though the image should be there.</summary>
    public VmCryptException? Trouble { get; init; }

    /// <summary>The libvirt that was asked; null for another hypervisor.</summary>
    public string? ConnectUri { get; init; }

    public string? Format => Definition?.Image.Format ?? Image?.Format.ToString().ToLowerInvariant();

    public VmDiskEncryption Encryption => (Definition?.Image.Source?.Encryption, Image) switch
    {
        ({ IsLegacy: true }, _) or (_, { Encryption: EncryptionPlacement.LegacyAes }) => VmDiskEncryption.Legacy,
        (null, null) => VmDiskEncryption.Unknown,
        (_, null) => VmDiskEncryption.Encrypted,
        (null, { IsEncrypted: true }) => Definition is null ? VmDiskEncryption.Encrypted : VmDiskEncryption.ElementMissing,
        (null, _) => VmDiskEncryption.Plain,
        (_, { IsEncrypted: true }) => VmDiskEncryption.Encrypted,
        _ => VmDiskEncryption.ImagePlain,
    };

    /// <summary>The images from the active one down, each with how it is encrypted.</summary>
    public string[] Layers => Image is not null
        ? [.. Chain(Image, image => image.Backing).Select(image => $"{image.Path} ({image.Format}, {image.Encryption})")]
        : [.. Chain(Definition?.Image, image => image.Backing).Select(image => $"{image.Source} ({image.Format}{(image.Source?.Encryption is { } encryption ? $", {encryption.Format}" : string.Empty)})")];

    private static IEnumerable<T> Chain<T>(T? first, Func<T, T?> next)
        where T : class
    {
        for (T? link = first; link is not null; link = next(link))
        {
            yield return link;
        }
    }
}
