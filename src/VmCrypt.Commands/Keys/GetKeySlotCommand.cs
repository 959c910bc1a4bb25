using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>Lists the key slots of images.</summary>
[Cmdlet(VerbsCommon.Get, "KeySlot", DefaultParameterSetName = "Path")]
[OutputType(typeof(KeySlot))]
public sealed class GetKeySlotCommand : ImageCmdlet
{
    [Parameter]
    [ValidateRange(0, 31)]
    public int[] Slot { get; set; } = [];

    /// <summary>Free slots too.</summary>
    [Parameter]
    public SwitchParameter All { get; set; }

    private protected override void ProcessImage(DiskLocation location)
    {
        DiskOpenOptions options = OpenOptions;
        foreach (KeySlotFacts facts in Run(token => KeySlots.ListAsync(location, options, token)))
        {
            if (Slot.Length > 0 ? Slot.Contains(facts.Number) : All || facts.IsActive)
            {
                Shell.WriteObject(new KeySlot(location.Text, options.HeaderPath, facts));
            }
        }
    }
}
