using System.Management.Automation;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Commands.Usb;

/// <summary>Makes a USB whitelist of a file: rules of any language, or a libvirt domain with a redirfilter.</summary>
[Cmdlet(VerbsData.Import, "UsbWhitelist", SupportsShouldProcess = true)]
[OutputType(typeof(UsbList))]
public sealed class ImportUsbWhitelistCommand : UsbListCmdlet
{
    /// <summary>The file to read.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = string.Empty;

    /// <summary>Keep the list's rules and put these behind them.</summary>
    [Parameter]
    public SwitchParameter Append { get; set; }

    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private protected override void Process()
    {
        string path = Shell.ResolvePaths(Path, literal: false)[0];
        IReadOnlyList<UsbRule> rules = Read(File.ReadAllText(path));
        foreach (string? list in Lists)
        {
            Attempt(NameOf(list), () => Import(list, rules));
        }
    }

    private void Import(string? list, IReadOnlyList<UsbRule> rules)
    {
        if (!Shell.ShouldProcess(NameOf(list), $"Set {rules.Count} USB rules from {Path}"))
        {
            return;
        }

        UsbWhitelist stored = Run(async token => await Store.ChangeAsync(list, known => Append ? [.. known, .. rules] : rules, token));
        if (PassThru)
        {
            Shell.WriteObject(UsbList.From(stored));
        }
    }
}
