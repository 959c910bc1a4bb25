using System.Management.Automation;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>A command that makes or changes one key slot of each image.</summary>
public abstract class KeySlotCmdlet : RekeyCmdlet, IDynamicParameters
{
    /// <summary>Null for what slots have by default, or had before.</summary>
    [Parameter]
    public KeySlotPriority? Priority { get; set; }

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

    /// <summary>What the slot is to cost.</summary>
    private protected KdfParameters Kdf { get; } = new();

    /// <summary>libvirt's secret of the disk does not follow.</summary>
    private protected virtual bool KeepsSecret => false;

    public object GetDynamicParameters() => Kdf;

    private protected NewKeySlot NewSlot(int? slot) => new(RequireNewSecret(), Kdf.Cost, slot, Priority);

    /// <summary>Changes the slots of an image, by the QEMU that has it open if one has.</summary>
    private protected (KeySlotChange Change, bool Ran) Change(
        DiskLocation location, Func<CancellationToken, ValueTask<KeySlotChange>> offline, Func<RunningKeySlots, RunningDisk, CancellationToken, ValueTask<KeySlotChange>> online)
    {
        var vm = new RunningVm(VmName, ConnectUri, QmpSocket);
        var disk = new RunningDisk(location, OpenOptions, NodeName) { KeepsSecret = KeepsSecret };
        return Run(token => vm.ChangeAsync(() => offline(token), slots => online(slots, disk, token), token));
    }

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
