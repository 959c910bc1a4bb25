namespace VmCrypt.Core.Stack;

/// <summary>Where the encryption of an image stands.</summary>
public enum EncryptionPlacement
{
    /// <summary>The image is plain.</summary>
    None,

    /// <summary>A LUKS header in front of its payload, which is the disk itself or (LUKS under a format) an image.</summary>
    Attached,

    /// <summary>Inside the container: header readable, IVs from the physical place (qcow2 with LUKS).</summary>
    Inside,

    /// <summary>Over the container: the guest's view of a qcow2 image starts with a LUKS header.</summary>
    Over,

    /// <summary>The header is a file of its own, the image is all payload.</summary>
    Detached,

    /// <summary>The AES of qcow and early qcow2: broken by design, read only to liberate data.</summary>
    LegacyAes,
}
