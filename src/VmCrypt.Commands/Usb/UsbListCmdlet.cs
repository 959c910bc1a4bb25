using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Languages;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Commands.Usb;

/// <summary>A command about the USB whitelist of VMs, or the default list.</summary>
public abstract class UsbListCmdlet : VmCryptCmdlet
{
    /// <summary>The VM's name or UUID.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("VMName", "Name")]
    public string[]? Vm { get; set; }

    /// <summary>The list of VMs that have none of their own.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public SwitchParameter Default { get; set; }

    private protected static UsbWhitelistStore Store => new(ConfigurationFolder.Default);

    /// <summary>The lists that are meant: names, or null for the default list.</summary>
    /// <remarks>Two parameter sets could not tell this: a default list from the pipeline brings both properties, the name empty.</remarks>
    private protected IReadOnlyList<string?> Lists => (Vm is { Length: > 0 }, Default.IsPresent) switch
    {
        (true, false) => Vm!,
        (false, true) => new string?[] { null },
        _ => throw new InvalidInputException(ErrorIds.InvalidParameter, "Say which list: -Vm or -Default."),
    };

    private protected static string NameOf(string? list) => list ?? "the default list";

    /// <summary>Reads rules in whatever language they are, and warns of what is lost.</summary>
    private protected IReadOnlyList<UsbRule> Read(string text)
    {
        UsbImport import = UsbLanguages.Parse(text);
        foreach (string note in import.Notes)
        {
            Shell.WriteWarning(note);
        }

        return import.Rules;
    }
}
