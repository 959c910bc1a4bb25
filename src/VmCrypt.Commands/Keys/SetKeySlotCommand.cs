using System.Management.Automation;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>Replaces a passphrase or key of images by another.</summary>
[Cmdlet(VerbsCommon.Set, "KeySlot", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(KeySlot))]
public sealed class SetKeySlotCommand : RekeyCmdlet
{
    /// <summary>The slot whose passphrase is replaced; null for the one that the passphrase opens.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateRange(0, 31)]
    public int? Slot { get; set; }

    private protected override void ProcessImage(DiskLocation location)
    {
        if (!Shell.ShouldProcess(location.Text, Slot is { } slot ? $"Replace the passphrase of key slot {slot}" : "Replace the passphrase"))
        {
            return;
        }

        using DiskKeys current = KeysFor(location, Slot);
        SecretBuffer replacement = RequireNewSecret();
        int made = Run(token => KeySlots.ChangeAsync(location, OpenOptions, current, replacement, Cost, token));
        WriteSlot(location, made);
    }
}
