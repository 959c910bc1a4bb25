namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>A part of a libvirt secret is of a form that libvirt's schema refuses.</summary>
    public const string SecretDefinitionInvalid = nameof(SecretDefinitionInvalid);

    /// <summary>The text is no XML of libvirt's, or a value in it is of a form that libvirt never writes.</summary>
    public const string LibvirtXmlInvalid = nameof(LibvirtXmlInvalid);

    /// <summary>A part of a disk, volume or pool is of a form that libvirt refuses.</summary>
    public const string LibvirtDefinitionInvalid = nameof(LibvirtDefinitionInvalid);

    /// <summary>The legacy AES of qcow was to be written into a definition.</summary>
    public const string LegacyEncryptionRefused = nameof(LegacyEncryptionRefused);

    /// <summary>The domain has no disk at that target.</summary>
    public const string VmDiskMissing = nameof(VmDiskMissing);

    /// <summary>The disk is built in a way that QEMU, and so libvirt, cannot open.</summary>
    public const string LibvirtInexpressible = nameof(LibvirtInexpressible);

    /// <summary>libvirt's daemon cannot be reached at that URI.</summary>
    public const string LibvirtUnreachable = nameof(LibvirtUnreachable);

    /// <summary>libvirt refused a command; the message holds its own words.</summary>
    public const string LibvirtRefused = nameof(LibvirtRefused);

    /// <summary>libvirt knows no domain of that name or UUID.</summary>
    public const string VmMissing = nameof(VmMissing);

    /// <summary>libvirt has no such secret.</summary>
    public const string LibvirtSecretMissing = nameof(LibvirtSecretMissing);

    /// <summary>A secret for that usage is there, and to replace its value was not asked for.</summary>
    public const string LibvirtSecretExists = nameof(LibvirtSecretExists);
}
