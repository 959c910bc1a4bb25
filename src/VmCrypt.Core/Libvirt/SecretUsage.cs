namespace VmCrypt.Core.Libvirt;

/// <summary>What a libvirt secret is for.</summary>
public enum SecretUsage
{
    /// <summary>The passphrase of an encrypted disk.</summary>
    Volume,

    /// <summary>The key of a Ceph user.</summary>
    Ceph,

    /// <summary>The CHAP password of an iSCSI target.</summary>
    Iscsi,

    /// <summary>The passphrase of a TLS private key.</summary>
    Tls,

    /// <summary>The key of a virtual TPM's state.</summary>
    Vtpm,
}
