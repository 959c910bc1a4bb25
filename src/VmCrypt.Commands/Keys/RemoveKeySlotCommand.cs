using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>Destroys key slots, by number or by what opens them.</summary>
[Cmdlet(VerbsCommon.Remove, "KeySlot", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High, DefaultParameterSetName = "Path")]
public sealed class RemoveKeySlotCommand : SecretCmdlet
{
    [Parameter(Position = 1, ValueFromPipelineByPropertyName = true)]
    [ValidateRange(0, 31)]
    public int? Slot { get; set; }

    /// <summary>The libvirt domain that may have the image open; its QEMU then changes the slot.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string? VmName { get; set; }

    /// <summary>Null or empty for this host's libvirt.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string? ConnectUri { get; set; }

    /// <summary>The QMP socket of the QEMU that has the image open: unix:PATH or tcp:HOST:PORT.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? QmpSocket { get; set; }

    /// <summary>QEMU's name of the disk; null finds it by its file.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? NodeName { get; set; }

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
            int removed = Run(token => Remove(location, keys, token)).Result;
            Shell.WriteVerbose($"{location}: key slot {removed} destroyed");
        }
    }

    private ValueTask<(int Result, bool Ran)> Remove(DiskLocation location, DiskKeys? keys, CancellationToken cancellationToken)
    {
        DiskOpenOptions options = OpenOptions;
        return new RunningVm(VmName, ConnectUri, QmpSocket).ChangeAsync(
            () => KeySlots.RemoveAsync(location, options, Slot, keys, Force, cancellationToken),
            slots => slots.RemoveAsync(new RunningDisk(location, options, NodeName), Slot, keys, cancellationToken),
            cancellationToken);
    }
}
