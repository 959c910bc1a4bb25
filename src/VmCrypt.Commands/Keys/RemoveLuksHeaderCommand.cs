using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>Destroys all key slots of images, and so their content.</summary>
[Cmdlet(VerbsCommon.Remove, "LuksHeader", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High, DefaultParameterSetName = "Path")]
[OutputType(typeof(RemovedHeader))]
public sealed class RemoveLuksHeaderCommand : ImageCmdlet
{
    /// <summary>Do not ask.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void ProcessImage(DiskLocation location)
    {
        HeaderRemoval removal = Run(token => HeaderRemoval.PlanAsync(location, OpenOptions, token));
        try
        {
            foreach (KeyCopy copy in removal.StillOpens.Where(copy => copy.Kind != KeyCopyKind.Unseen))
            {
                Shell.WriteWarning(copy.Message);
            }

            string slots = removal.Slots.Count == 0 ? "none in use" : $"in use: {string.Join(", ", removal.Slots)}";
            string plan = $"Destroy all key slots of the {LuksVersions.NameOf(removal.Version)} header {removal.Uuid} ({slots}), after which no passphrase opens the image";
            if (Shell.ShouldProcess(location.Text, plan, Force))
            {
                Shell.WriteObject(Run(removal.RunAsync));
            }
        }
        finally
        {
            Run(_ => removal.DisposeAsync());
        }
    }
}
