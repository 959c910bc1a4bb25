using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Libvirt;

/// <summary>Images as libvirt's definitions say them.</summary>
public static class ImageDisks
{
    /// <summary>The disk's images, the active one first.</summary>
    /// <param name="secretOf">The secret of an encrypted image of the chain.</param>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LibvirtInexpressible"/>: QEMU cannot open such a disk.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LegacyEncryptionRefused"/>.</exception>
    public static DiskImage ToDisk(this ImageDescription image, Func<ImageDescription, SecretReference> secretOf) => new()
    {
        Source = SourceOf(image.Path) with { Encryption = EncryptionOf(image, secretOf) },
        Format = FormatOf(image),
        Backing = image.Backing?.ToDisk(secretOf),
        IsLast = image is { Backing: null, Unusable: null },
    };

    /// <summary>A volume like the image.</summary>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LibvirtInexpressible"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LegacyEncryptionRefused"/>.</exception>
    public static VolumeDefinition ToVolume(this ImageDescription image, Func<ImageDescription, SecretReference> secretOf) => new()
    {
        Name = Path.GetFileName(image.Path),
        Capacity = image.VirtualSize,
        Format = FormatOf(image),
        Encryption = EncryptionOf(image, secretOf) is { } encryption ? encryption with { Cipher = DiskEncryption.CipherOf(image.Luks!) } : null,
        Backing = image.Backing is { } backing ? (backing.Path, FormatOf(backing)) : null,
        ClusterSize = image.Qcow2?.ClusterSize,
    };

    private static DiskSource SourceOf(string path) =>
        DiskLocation.IsNbdUri(path) ? NbdSource.Of(NbdUri.Parse(path))
        : OperatingSystem.IsLinux() && BlockNode.Of(path) is not null ? new BlockSource(path)
        : new FileSource(path);

    private static string FormatOf(ImageDescription image) => image.Format switch
    {
        ImageFormat.Raw or ImageFormat.Luks => "raw",
        ImageFormat.Qcow2 => "qcow2",
        ImageFormat.Vhd => "vpc",
        _ => throw new UnsupportedFeatureException(ErrorIds.LibvirtInexpressible,
            $"libvirt has no word for the format {image.Format} of {image.Path}; convert it with Convert-Image."),
    };

    private static DiskEncryption? EncryptionOf(ImageDescription image, Func<ImageDescription, SecretReference> secretOf) => image.Encryption switch
    {
        EncryptionPlacement.None => null,
        EncryptionPlacement.LegacyAes => throw new RefusedException(ErrorIds.LegacyEncryptionRefused,
            $"The image {image.Path} has the legacy AES of qcow, which today's emulators refuse; convert it with Convert-Image."),
        EncryptionPlacement.Attached or EncryptionPlacement.Inside when image.Luks is { Version: LuksVersion.Luks1 } =>
            new DiskEncryption { Secrets = [secretOf(image)] },
        EncryptionPlacement.Attached => throw Inexpressible(image, "has LUKS2, which QEMU does not read"),
        EncryptionPlacement.Over => throw Inexpressible(image, "has its LUKS header over qcow2"),
        _ => throw Inexpressible(image, "has a detached LUKS header"),
    };

    private static UnsupportedFeatureException Inexpressible(ImageDescription image, string how) => new(ErrorIds.LibvirtInexpressible,
        $"The image {image.Path} {how}, so libvirt cannot open it: serve it with Unlock-Image and give the export's URI instead.");
}
