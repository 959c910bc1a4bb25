using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Commands.Qemu;

/// <summary>Makes one of the objects that stand beside an encrypted disk in QEMU.</summary>
[Cmdlet(VerbsCommon.New, "QemuObject", DefaultParameterSetName = nameof(IOThread))]
[OutputType(typeof(QemuObject))]
public sealed class NewQemuObjectCommand : VmCryptCmdlet
{
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    public string Id { get; set; } = string.Empty;

    [Parameter(Mandatory = true, ParameterSetName = nameof(IOThread))]
    public SwitchParameter IOThread { get; set; }

    /// <summary>Nanoseconds.</summary>
    [Parameter(ParameterSetName = nameof(IOThread))]
    public long? PollMaxNs { get; set; }

    [Parameter(ParameterSetName = nameof(IOThread))]
    public long? PollGrow { get; set; }

    [Parameter(ParameterSetName = nameof(IOThread))]
    public long? PollShrink { get; set; }

    [Parameter(ParameterSetName = nameof(IOThread))]
    public long? AioMaxBatch { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = nameof(AuthzSimple))]
    public SwitchParameter AuthzSimple { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = nameof(AuthzSimple))]
    [ValidateNotNullOrEmpty]
    public string Identity { get; set; } = string.Empty;

    [Parameter(Mandatory = true, ParameterSetName = nameof(AuthzList))]
    public SwitchParameter AuthzList { get; set; }

    /// <summary>For whom nothing matches.</summary>
    [Parameter(ParameterSetName = nameof(AuthzList))]
    public AuthzPolicy Policy { get; set; }

    /// <summary>Identities, with * and ? as patterns.</summary>
    [Parameter(ParameterSetName = nameof(AuthzList))]
    [ValidateNotNullOrEmpty]
    public string[] Allow { get; set; } = [];

    /// <summary>Identities that are refused before any is let in.</summary>
    [Parameter(ParameterSetName = nameof(AuthzList))]
    [ValidateNotNullOrEmpty]
    public string[] Deny { get; set; } = [];

    [Parameter(Mandatory = true, ParameterSetName = nameof(AuthzListFile))]
    [ValidateNotNullOrEmpty]
    public string AuthzListFile { get; set; } = string.Empty;

    /// <summary>Read the file when it changes.</summary>
    [Parameter(ParameterSetName = nameof(AuthzListFile))]
    public SwitchParameter Refresh { get; set; }

    /// <summary>The name of a PAM service.</summary>
    [Parameter(Mandatory = true, ParameterSetName = nameof(AuthzPam))]
    [ValidateNotNullOrEmpty]
    public string AuthzPam { get; set; } = string.Empty;

    /// <summary>The folder of certificates.</summary>
    [Parameter(Mandatory = true, ParameterSetName = nameof(TlsX509))]
    [ValidateNotNullOrEmpty]
    public string TlsX509 { get; set; } = string.Empty;

    /// <summary>The folder of pre-shared keys.</summary>
    [Parameter(Mandatory = true, ParameterSetName = nameof(TlsPsk))]
    [ValidateNotNullOrEmpty]
    public string TlsPsk { get; set; } = string.Empty;

    [Parameter(ParameterSetName = nameof(TlsX509))]
    [Parameter(ParameterSetName = nameof(TlsPsk))]
    public TlsEndpoint Endpoint { get; set; }

    /// <summary>Do not ask the peer for a certificate.</summary>
    [Parameter(ParameterSetName = nameof(TlsX509))]
    public SwitchParameter NoVerifyPeer { get; set; }

    /// <summary>The secret that opens the private key.</summary>
    [Parameter(ParameterSetName = nameof(TlsX509))]
    [ValidateNotNullOrEmpty]
    public string? PasswordId { get; set; }

    /// <summary>Of a client.</summary>
    [Parameter(ParameterSetName = nameof(TlsPsk))]
    [ValidateNotNullOrEmpty]
    public string? UserName { get; set; }

    /// <summary>The socket to the vhost-user process.</summary>
    [Parameter(Mandatory = true, ParameterSetName = nameof(CryptodevChardev))]
    [ValidateNotNullOrEmpty]
    public string CryptodevChardev { get; set; } = string.Empty;

    [Parameter(ParameterSetName = nameof(CryptodevChardev))]
    public int? Queue { get; set; }

    /// <summary>The bit of a page table entry that says encrypted.</summary>
    [Parameter(Mandatory = true, ParameterSetName = nameof(SevEncryptionBit))]
    public int SevEncryptionBit { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = nameof(SevEncryptionBit))]
    public int ReducedPhysBits { get; set; }

    [Parameter(ParameterSetName = nameof(SevEncryptionBit))]
    public uint? SevPolicy { get; set; }

    [Parameter(ParameterSetName = nameof(SevEncryptionBit))]
    [ValidateNotNullOrEmpty]
    public string? DhCertFile { get; set; }

    [Parameter(ParameterSetName = nameof(SevEncryptionBit))]
    [ValidateNotNullOrEmpty]
    public string? SessionFile { get; set; }

    [Parameter(ParameterSetName = nameof(SevEncryptionBit))]
    public SwitchParameter KernelHashes { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = nameof(Throttle))]
    public SwitchParameter Throttle { get; set; }

    [Parameter(ParameterSetName = nameof(Throttle))]
    [ByteSize]
    public long? BytesPerSecond { get; set; }

    [Parameter(ParameterSetName = nameof(Throttle))]
    public long? RequestsPerSecond { get; set; }

    private protected override void Process() => Shell.WriteObject(Shell.ParameterSet switch
    {
        nameof(AuthzSimple) => QemuObjects.AuthzSimple(Id, Identity),
        nameof(AuthzList) => QemuObjects.AuthzList(Id, Policy, [.. Deny.Select(name => Rule(name, AuthzPolicy.Deny)), .. Allow.Select(name => Rule(name, AuthzPolicy.Allow))]),
        nameof(AuthzListFile) => QemuObjects.AuthzListFile(Id, Shell.ResolveNewPath(AuthzListFile), Refresh ? true : null),
        nameof(AuthzPam) => QemuObjects.AuthzPam(Id, AuthzPam),
        nameof(TlsX509) => QemuObjects.TlsX509(Id, Shell.ResolveNewPath(TlsX509), Endpoint, NoVerifyPeer ? false : null, PasswordId),
        nameof(TlsPsk) => QemuObjects.TlsPsk(Id, Shell.ResolveNewPath(TlsPsk), Endpoint, UserName),
        nameof(CryptodevChardev) => QemuObjects.CryptodevVhostUser(Id, CryptodevChardev, Queue),
        nameof(SevEncryptionBit) => QemuObjects.SevGuest(Id, SevEncryptionBit, ReducedPhysBits, SevPolicy, Full(DhCertFile), Full(SessionFile), KernelHashes ? true : null),
        nameof(Throttle) => QemuObjects.ThrottleGroup(Id, BytesPerSecond, RequestsPerSecond),
        _ => QemuObjects.IOThread(Id, PollMaxNs, PollGrow, PollShrink, AioMaxBatch),
    });

    private string? Full(string? path) => path is null ? null : Shell.ResolveNewPath(path);

    private static AuthzRule Rule(string identity, AuthzPolicy policy) =>
        new(identity, policy, identity.AsSpan().IndexOfAny('*', '?') >= 0 ? AuthzFormat.Glob : AuthzFormat.Exact);
}
