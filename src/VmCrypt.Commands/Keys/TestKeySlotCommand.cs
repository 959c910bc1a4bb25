using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>Says whether a passphrase or key opens images.</summary>
[Cmdlet(VerbsDiagnostic.Test, "KeySlot", DefaultParameterSetName = "Path")]
[OutputType(typeof(bool))]
public sealed class TestKeySlotCommand : UnlockingCmdlet
{
    /// <summary>The only slot to try.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateRange(0, 31)]
    public int? Slot { get; set; }

    private protected override void ProcessImage(DiskLocation location)
    {
        KeyTrial trial = Try(location);
        if (trial.Slot is { } slot)
        {
            Shell.WriteVerbose($"{location}: key slot {slot}");
        }

        Shell.WriteObject(trial.Opens);
    }

    private KeyTrial Try(DiskLocation location)
    {
        try
        {
            using DiskKeys keys = KeysFor(location, Slot);
            return ByToken ? new KeyTrial(true, keys.Slot) : Run(token => KeySlots.TryAsync(location, OpenOptions, keys, token));
        }
        catch (WrongKeyException)
        {
            // A token's passphrase was tried when it was asked for.
            return new KeyTrial(false, null);
        }
    }
}
