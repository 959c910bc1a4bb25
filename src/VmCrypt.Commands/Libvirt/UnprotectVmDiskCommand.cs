using System.Management.Automation;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Machines;

namespace VmCrypt.Commands.Libvirt;

/// <summary>Takes back what Protect-VmDisk did, or had begun: the domain starts from its old disk again.</summary>
[Cmdlet(VerbsSecurity.Unprotect, "VmDisk", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(ProtectedDisk))]
public sealed class UnprotectVmDiskCommand : VmDiskCmdlet
{
    /// <summary>Do not ask, and lose what the VM has written since.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void Process()
    {
        if (Shell.ShouldProcess($"{VmName} {Target}", "Go back to the plain disk and remove the encrypted copy", Force))
        {
            var protection = new VmDiskProtection(ConnectUri, ConfigurationFolder.Default);
            Shell.WriteObject(Run(async token => await protection.UndoAsync(VmName, Target, Force, token)));
        }
    }
}
