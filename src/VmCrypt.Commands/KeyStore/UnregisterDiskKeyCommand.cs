using System.Management.Automation;
using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.KeyStore;

/// <summary>Takes keys of disks out of the key store; the disks keep their key slots.</summary>
[Cmdlet(VerbsLifecycle.Unregister, "DiskKey", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
public sealed class UnregisterDiskKeyCommand : DiskKeyCmdlet
{
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void ProcessKey(DiskKey key)
    {
        if (Shell.ShouldProcess(key.Path, "Forget the stored key", Force))
        {
            Run(token => new ValueTask(Ring.UnregisterAsync(key.Entry, token)));
        }
    }

    private protected override void ProcessUnnamed() =>
        throw new InvalidInputException(ErrorIds.InvalidParameter, "Name the disks whose keys are to be forgotten: -Path or -Vm.");
}
