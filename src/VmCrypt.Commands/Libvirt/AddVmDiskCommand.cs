using System.Management.Automation;
using VmCrypt.Core.Libvirt;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Libvirt;

/// <summary>Gives a domain of libvirt, running or not, an encrypted disk.</summary>
[Cmdlet(VerbsCommon.Add, "VmDisk", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(VmDisk))]
public sealed class AddVmDiskCommand : DiskXmlCmdlet
{
    [Parameter(Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string VmName { get; set; } = string.Empty;

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string ConnectUri { get; set; } = LibvirtParameter.DefaultConnectUri;

    /// <summary>Only until the domain stops.</summary>
    [Parameter]
    public SwitchParameter Transient { get; set; }

    private protected override void ProcessImage(DiskLocation location)
    {
        DiskDefinition disk = DiskOf(location);
        if (Shell.ShouldProcess(VmName, $"Add the disk {Target}: {location}"))
        {
            Shell.WriteObject(Run(async token => await new LibvirtVms(ConnectUri).AddDiskAsync(VmName, disk, Transient, token)));
        }
    }
}
