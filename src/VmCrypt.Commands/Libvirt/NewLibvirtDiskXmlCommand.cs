using System.Management.Automation;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Libvirt;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Libvirt;

/// <summary>Writes a domain's disk, as text: of an image, or of an RBD image in a Ceph cluster.</summary>
[Cmdlet(VerbsCommon.New, "LibvirtDiskXml", DefaultParameterSetName = "Path")]
[OutputType(typeof(string))]
public sealed class NewLibvirtDiskXmlCommand : DiskXmlCmdlet
{
    private const string RbdSet = "Rbd";

    /// <summary>pool/image.</summary>
    [Parameter(Mandatory = true, ParameterSetName = RbdSet)]
    [ValidateNotNullOrEmpty]
    public string RbdImage { get; set; } = string.Empty;

    /// <summary>The monitors: host, host:port.</summary>
    [Parameter(ParameterSetName = RbdSet)]
    [ValidateNotNullOrEmpty]
    public string[] RbdHost { get; set; } = [];

    /// <summary>The Ceph user, without client.</summary>
    [Parameter(ParameterSetName = RbdSet)]
    [ValidateNotNullOrEmpty]
    public string? RbdUser { get; set; }

    /// <summary>The secret that holds the user's key.</summary>
    [Parameter(ParameterSetName = RbdSet)]
    public Guid? RbdUserSecret { get; set; }

    /// <summary>A ceph.conf other than the hypervisor's own.</summary>
    [Parameter(ParameterSetName = RbdSet)]
    [ValidateNotNullOrEmpty]
    public string? RbdConfig { get; set; }

    /// <summary>The RBD image is not encrypted.</summary>
    [Parameter(ParameterSetName = RbdSet)]
    public SwitchParameter Plain { get; set; }

    [Parameter(ParameterSetName = RbdSet)]
    public EncryptionFormat Encryption { get; set; }

    /// <summary>Who decrypts; LUKS2 only librbd does.</summary>
    [Parameter(ParameterSetName = RbdSet)]
    public EncryptionEngine? Engine { get; set; }

    private protected override void ProcessImage(DiskLocation location) => Shell.WriteObject(DiskOf(location).ToXml());

    private protected override void End()
    {
        if (Shell.ParameterSet == RbdSet)
        {
            Shell.WriteObject(DiskOf(RbdDisk()).ToXml());
        }
    }

    private DiskImage RbdDisk()
    {
        if (RbdUser is null != RbdUserSecret is null)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "-RbdUser and -RbdUserSecret go together: a user and the secret with its key.");
        }

        if (Plain == SecretUuid.Length > 0)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "Give -SecretUuid for an encrypted RBD image, or -Plain for one that is not.");
        }

        return new DiskImage
        {
            Format = "raw",
            Source = new RbdSource(RbdImage)
            {
                Hosts = [.. RbdHost.Select(NetworkHost.Parse)],
                ConfigFile = RbdConfig,
                Auth = RbdUser is null ? null : (RbdUser, SecretReference.To(RbdUserSecret!.Value)),
                Encryption = Plain ? null : new DiskEncryption { Format = Encryption, Engine = Engine, Secrets = [.. SecretUuid.Select(SecretReference.To)] },
            },
        };
    }
}
