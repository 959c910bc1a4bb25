using System.Management.Automation;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>A command that makes or changes one key slot of each image.</summary>
public abstract class KeySlotCmdlet : RekeyCmdlet, IDynamicParameters
{
    /// <summary>Null for what slots have by default, or had before.</summary>
    [Parameter]
    public KeySlotPriority? Priority { get; set; }

    /// <summary>What the slot is to cost.</summary>
    private protected KdfParameters Kdf { get; } = new();

    public object GetDynamicParameters() => Kdf;

    private protected NewKeySlot NewSlot(int? slot) => new(RequireNewSecret(), Kdf.Cost, slot, Priority);

    /// <summary>Emits a slot that was just made, and says what else the passphrase opens.</summary>
    private protected void WriteChange(DiskLocation location, KeySlotChange change)
    {
        if (change.SamePassphrase is { } other)
        {
            Shell.WriteWarning($"The passphrase opens key slot {other} of {location} as well: the image has one secret less than it has slots.");
        }

        Shell.WriteObject(new KeySlot(location.Text, OpenOptions.HeaderPath, FactsOf(location, change.Slot)));
    }

    private protected KeySlotFacts FactsOf(DiskLocation location, int slot) =>
        Run(token => KeySlots.ListAsync(location, OpenOptions, token)).First(facts => facts.Number == slot);
}
