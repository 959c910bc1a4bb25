using System.Management.Automation;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>Replaces a passphrase or key of images by another, derives its key anew, or says when it is tried.</summary>
[Cmdlet(VerbsCommon.Set, "KeySlot", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(KeySlot))]
public sealed class SetKeySlotCommand : KeySlotCmdlet
{
    /// <summary>The slot to change; null for the one that the passphrase opens.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateRange(0, 31)]
    public int? Slot { get; set; }

    /// <summary>Only the cost changes.</summary>
    [Parameter]
    public SwitchParameter KeepPassphrase { get; set; }

    /// <summary>The secret that libvirt opens the disk of a running VM with stays as it is.</summary>
    [Parameter]
    public SwitchParameter KeepLibvirtSecret { get; set; }

    private protected override bool KeepsSecret => KeepLibvirtSecret;

    private bool NamesNewSecret => (NewPassphrase ?? (object?)NewKeyFile) is not null;

    // A priority alone needs no secret, so none is asked for.
    private bool SetsPriorityOnly => Priority is not null && !NamesNewSecret && !KeepPassphrase && !Kdf.IsCostGiven;

    private protected override void Begin()
    {
        if (KeepPassphrase && NamesNewSecret)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "-KeepPassphrase does not go with a new passphrase or key file.");
        }
    }

    private protected override void ProcessImage(DiskLocation location)
    {
        string which = Slot is { } slot ? $"key slot {slot}" : "the key slot that the secret opens";
        string action = SetsPriorityOnly ? $"Set the priority of {which}" : KeepPassphrase ? $"Derive the key of {which} anew" : $"Replace the passphrase of {which}";
        if (Shell.ShouldProcess(location.Text, action))
        {
            WriteChange(location, SetsPriorityOnly ? SetPriority(location) : KeepPassphrase ? Renew(location) : Replace(location));
        }
    }

    private KeySlotChange Replace(DiskLocation location)
    {
        using DiskKeys current = KeysFor(location, Slot);
        NewKeySlot replacement = NewSlot(slot: null);
        DiskOpenOptions options = OpenOptions;
        (KeySlotChange change, bool ran) = Change(
            location,
            token => KeyRotation.ChangeAsync(location, options, current, replacement, token),
            (slots, disk, token) => slots.ChangeAsync(disk, current, replacement, token));
        if (ran && VmName is not null && KeepLibvirtSecret)
        {
            Shell.WriteWarning($"A secret that libvirt has for {location} keeps the old passphrase, and {VmName} will not start with it: give it the new one with Register-LibvirtSecret -Force.");
        }

        if (change.WasBegun)
        {
            Shell.WriteWarning($"The new passphrase opened key slot {change.Slot} of {location} already, so only the old one was destroyed.");
        }

        if (ByStore)
        {
            Shell.WriteWarning($"The key store still holds the passphrase that key slot {change.Slot} of {location} had: store the new one with Register-DiskKey -Force. Update-DiskKey changes both.");
        }

        foreach (int token in FactsOf(location, change.Slot).Tokens)
        {
            Shell.WriteWarning($"Token {token} names key slot {change.Slot} of {location}, but gives the passphrase that it had: bind it anew, or remove it.");
        }

        return change;
    }

    private KeySlotChange Renew(DiskLocation location)
    {
        using DiskKeys current = KeysFor(location, Slot);
        return Run(token => KeyRotation.RenewAsync(location, OpenOptions, current, Kdf.Cost, Priority, token));
    }

    private KeySlotChange SetPriority(DiskLocation location)
    {
        int slot = Slot ?? FindSlot(location);
        Run(token => KeySlots.SetPriorityAsync(location, OpenOptions, slot, Priority!.Value, token));
        return new KeySlotChange(slot);
    }

    private int FindSlot(DiskLocation location)
    {
        using DiskKeys keys = KeysFor(location);
        return Run(token => KeySlots.TryAsync(location, OpenOptions, keys, token)).Slot
            ?? throw new InvalidInputException(ErrorIds.InvalidParameter, "Name the key slot with -Slot, or by a passphrase that opens it.");
    }
}
