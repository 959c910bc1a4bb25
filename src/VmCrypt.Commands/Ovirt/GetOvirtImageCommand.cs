using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Ovirt;

namespace VmCrypt.Commands.Ovirt;

/// <summary>Finds the disks of oVirt's file storage domains, with what their .meta files say and the chains that they stand on.</summary>
[Cmdlet(VerbsCommon.Get, "OvirtImage")]
[OutputType(typeof(OvirtVolume))]
public sealed class GetOvirtImageCommand : VmCryptCmdlet
{
    /// <summary>Folders of domains, or folders that hold them.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    public string[] StorageDomain { get; set; } = [];

    /// <summary>Only domains of these data centers.</summary>
    [Parameter]
    public Guid[] PoolUuid { get; set; } = [];

    [Parameter]
    public Guid[] DomainUuid { get; set; } = [];

    [Parameter]
    public Guid[] ImageUuid { get; set; } = [];

    /// <summary>These volumes, whatever stands on them.</summary>
    [Parameter]
    public Guid[] VolumeUuid { get; set; } = [];

    /// <summary>Also the volumes on which others stand.</summary>
    [Parameter]
    public SwitchParameter All { get; set; }

    private protected override void Process()
    {
        foreach (string path in StorageDomain)
        {
            Attempt(path, () => WriteDomains(Shell.ResolveNewPath(path)));
        }
    }

    private void WriteDomains(string path)
    {
        bool found = false;
        foreach (OvirtDomain domain in OvirtDomain.At(path).Where(domain => Asked(DomainUuid, domain.Uuid) && Asked(PoolUuid, domain.PoolUuid)))
        {
            foreach ((Guid image, Guid volume) in domain.Volumes().Where(place => Asked(ImageUuid, place.Image) && Asked(VolumeUuid, place.Volume)))
            {
                found = true;
                Attempt(volume, () => Write(domain, image, volume));
            }
        }

        if (!found && (ImageUuid.Length > 0 || VolumeUuid.Length > 0 || DomainUuid.Length > 0 || PoolUuid.Length > 0))
        {
            throw new MissingException(ErrorIds.OvirtImageMissing, $"{path} has no volume of the UUIDs that were asked for.");
        }
    }

    private void Write(OvirtDomain domain, Guid image, Guid volume)
    {
        OvirtMeta meta = domain.ReadMeta(image, volume);

        // A disk is its leaf; a template is its own image's volume, and not once more in the folder of each disk that stands on it.
        bool top = meta.Role == OvirtRole.Leaf || (meta.Role == OvirtRole.Shared && meta.ImageUuid == image);
        if (top || All || VolumeUuid.Length > 0)
        {
            Shell.WriteObject(Run(token => domain.DescribeAsync(image, volume, token)));
        }
    }

    private static bool Asked(Guid[] wanted, Guid? uuid) => wanted.Length == 0 || (uuid is { } known && wanted.Contains(known));
}
