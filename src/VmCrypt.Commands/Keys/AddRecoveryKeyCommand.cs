using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>Gives images a recovery key to be printed, and shows it this once.</summary>
[Cmdlet(VerbsCommon.Add, "RecoveryKey", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(RecoveryKeySheet))]
public sealed class AddRecoveryKeyCommand : UnlockingCmdlet
{
    /// <summary>The slot to fill; null for the first free one.</summary>
    [Parameter]
    [ValidateRange(0, 31)]
    public int? Slot { get; set; }

    /// <summary>Emit the key as text, for a printer, a safe, or the screen.</summary>
    [Parameter]
    public SwitchParameter AsPlainText { get; set; }

    private protected override void Begin()
    {
        if (!AsPlainText && !Shell.OutlivesCommand)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "The key is shown only once, and here only as text: say -AsPlainText, and send the output where it is safe.");
        }
    }

    private protected override void ProcessImage(DiskLocation location)
    {
        if (!Shell.ShouldProcess(location.Text, "Add a recovery key"))
        {
            return;
        }

        DiskOpenOptions options = OpenOptions;
        using DiskKeys current = KeysFor(location);
        using MadeRecoveryKey made = Run(token => RecoveryKeys.AddAsync(location, options, current, Slot, token));
        Shell.WriteObject(new RecoveryKeySheet(location.Text, options.HeaderPath, made, AsPlainText));
    }
}
