using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Lists;

namespace VmCrypt.Commands.Usb;

/// <summary>Shows which USB devices VMs may have.</summary>
[Cmdlet(VerbsCommon.Get, "UsbWhitelist")]
[OutputType(typeof(UsbList))]
public sealed class GetUsbWhitelistCommand : VmCryptCmdlet
{
    /// <summary>Names or UUIDs of VMs; all lists without it.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("VMName", "Name")]
    [ValidateNotNullOrEmpty]
    public string[] Vm { get; set; } = [];

    /// <summary>The list of VMs that have none of their own.</summary>
    [Parameter]
    public SwitchParameter Default { get; set; }

    private protected override void Process()
    {
        var store = new UsbWhitelistStore(ConfigurationFolder.Default);
        Run(token => new ValueTask(store.SynchroniseAsync(token)));
        IReadOnlyList<string?> lists = Vm.Length == 0 && !Default ? store.Names() : [.. Vm, .. Default ? new string?[] { null } : []];
        foreach (string? list in lists)
        {
            Attempt(list ?? "default", () => Shell.WriteObject(UsbList.From(
                Run(async token => await store.FindAsync(list, token)) ?? throw new MissingException(
                    ErrorIds.UsbWhitelistMissing, list is null ? "There is no default list." : $"The VM {list} has no list of its own."))));
        }
    }
}
