using System.Management.Automation;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Languages;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Commands.Usb;

/// <summary>Writes a USB whitelist in the language of those who enforce it elsewhere.</summary>
[Cmdlet(VerbsData.Export, "UsbWhitelist", SupportsShouldProcess = true)]
[OutputType(typeof(string))]
public sealed class ExportUsbWhitelistCommand : UsbListCmdlet
{
    [Parameter(Mandatory = true, Position = 1)]
    public UsbExportFormat As { get; set; }

    /// <summary>The file to write; without it, the text is the output.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? OutFile { get; set; }

    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void Process()
    {
        if (OutFile is not null && Lists.Count > 1)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "-OutFile takes one list.");
        }

        foreach (string? list in Lists)
        {
            Attempt(NameOf(list), () => Export(list));
        }
    }

    private void Export(string? list)
    {
        // A VM without a list of its own is under the default list, and one without either may have nothing.
        UsbWhitelist whitelist = Run(async token => await Store.FindAsync(list, token) ?? await Store.FindAsync(null, token)) ?? UsbWhitelist.Empty;
        UsbExport export = UsbLanguages.Format(whitelist, As);
        foreach (string note in export.Notes)
        {
            Shell.WriteWarning(note);
        }

        if (OutFile is null)
        {
            Shell.WriteObject(export.Text);
            return;
        }

        string path = Shell.ResolveNewPath(OutFile);
        if (Shell.ShouldProcess(path, $"Write the list of {NameOf(list)} as {As}"))
        {
            using var file = new FileStream(path, Force ? FileMode.Create : FileMode.CreateNew, FileAccess.Write);
            using var writer = new StreamWriter(file);
            writer.Write(export.Text.EndsWith('\n') ? export.Text : export.Text + "\n");
        }
    }
}
