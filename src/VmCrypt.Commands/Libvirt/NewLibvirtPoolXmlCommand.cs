using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Libvirt;

namespace VmCrypt.Commands.Libvirt;

/// <summary>Writes the definition of a storage pool, as text.</summary>
[Cmdlet(VerbsCommon.New, "LibvirtPoolXml")]
[OutputType(typeof(string))]
public sealed class NewLibvirtPoolXmlCommand : VmCryptCmdlet
{
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    public string Name { get; set; } = string.Empty;

    [Parameter]
    public PoolType Type { get; set; }

    /// <summary>The folder under which the volumes appear.</summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    public string? TargetPath { get; set; }

    /// <summary>The device, or the iSCSI target's qualified name.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Device { get; set; }

    /// <summary>The volume group, or the Ceph pool, if it is not called as the pool is.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? SourceName { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] SourceHost { get; set; } = [];

    /// <summary>The CHAP or Ceph user.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? SourceUser { get; set; }

    /// <summary>The secret with the user's password or key.</summary>
    [Parameter]
    public Guid? SourceUserSecret { get; set; }

    [Parameter]
    public Guid? Uuid { get; set; }

    private protected override void Process()
    {
        if (SourceUser is null != SourceUserSecret is null)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "-SourceUser and -SourceUserSecret go together: a user and the secret with its password or key.");
        }

        Shell.WriteObject(new PoolDefinition
        {
            Type = Type,
            Name = Name,
            Uuid = Uuid,
            TargetPath = TargetPath is null ? null : Shell.ResolveNewPath(TargetPath),
            Device = Device,
            SourceName = SourceName,
            Hosts = [.. SourceHost.Select(NetworkHost.Parse)],
            Auth = SourceUser is null ? null : (SourceUser, SecretReference.To(SourceUserSecret!.Value)),
        }.ToXml());
    }
}
