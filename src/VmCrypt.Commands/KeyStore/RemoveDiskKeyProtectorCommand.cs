using System.Management.Automation;

namespace VmCrypt.Commands.KeyStore;

/// <summary>Takes a way to open the key store of this host away.</summary>
[Cmdlet(VerbsCommon.Remove, "DiskKeyProtector", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
public sealed class RemoveDiskKeyProtectorCommand : KeyStoreCmdlet
{
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    public Guid[] Id { get; set; } = [];

    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void Process()
    {
        foreach (Guid id in Id)
        {
            Attempt(id, () =>
            {
                if (Shell.ShouldProcess($"{id}", "Remove the protector of the key store", Force))
                {
                    Run(token => new ValueTask(Ring.RemoveProtectorAsync(id, token)));
                }
            });
        }
    }
}
