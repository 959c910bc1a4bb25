using System.Management.Automation;
using VmCrypt.Core.Libvirt;

namespace VmCrypt.Commands.Libvirt;

/// <summary>Takes disks from domains of libvirt; the images stay.</summary>
[Cmdlet(VerbsCommon.Remove, "VmDisk", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
public sealed class RemoveVmDiskCommand : VmDiskCmdlet
{
    /// <summary>Only until the domain stops.</summary>
    [Parameter]
    public SwitchParameter Transient { get; set; }

    /// <summary>Do not ask.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void Process()
    {
        if (Shell.ShouldProcess(VmName, $"Remove the disk {Target}", Force)
            && !Run(async token => await new LibvirtVms(ConnectUri).RemoveDiskAsync(VmName, Target, Transient, token)))
        {
            Shell.WriteWarning($"The guest of {VmName} has not let go of {Target} yet; the disk leaves when the guest answers, or stops.");
        }
    }
}
