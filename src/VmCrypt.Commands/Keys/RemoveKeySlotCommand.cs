using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>Destroys key slots, by number or by what opens them.</summary>
[Cmdlet(VerbsCommon.Remove, "KeySlot", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High, DefaultParameterSetName = "Path")]
public sealed class RemoveKeySlotCommand : SecretCmdlet
{
    [Parameter(Position = 1, ValueFromPipelineByPropertyName = true)]
    [ValidateRange(0, 31)]
    public int? Slot { get; set; }

    /// <summary>Do not ask, and destroy even the last slot.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void ProcessImage(DiskLocation location)
    {
        using DiskKeys? keys = GivenKeys();
        if (Slot is null && keys is null or { VolumeKey: not null })
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter,
                "Name the slot to destroy: by its number with -Slot, or by the passphrase or key file that opens it.");
        }

        if (Shell.ShouldProcess(location.Text, Slot is { } slot ? $"Destroy key slot {slot}" : "Destroy the key slot that the secret opens", Force))
        {
            int removed = Run(token => KeySlots.RemoveAsync(location, OpenOptions, Slot, keys, Force, token));
            Shell.WriteVerbose($"{location}: key slot {removed} destroyed");
        }
    }
}
