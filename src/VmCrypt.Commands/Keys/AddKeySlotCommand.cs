using System.Management.Automation;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>Gives images one more passphrase or key.</summary>
[Cmdlet(VerbsCommon.Add, "KeySlot", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(KeySlot))]
public sealed class AddKeySlotCommand : RekeyCmdlet
{
    /// <summary>The slot to fill; null for the first free one.</summary>
    [Parameter]
    [ValidateRange(0, 31)]
    public int? Slot { get; set; }

    private protected override void ProcessImage(DiskLocation location)
    {
        if (!Shell.ShouldProcess(location.Text, "Add a key slot"))
        {
            return;
        }

        using DiskKeys current = KeysFor(location);
        SecretBuffer added = RequireNewSecret();
        int made = Run(token => KeySlots.AddAsync(location, OpenOptions, current, added, Slot, Cost, token));
        WriteSlot(location, made);
    }
}
