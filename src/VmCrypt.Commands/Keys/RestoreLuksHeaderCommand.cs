using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>Writes the backup of a LUKS header back to its image.</summary>
[Cmdlet(VerbsData.Restore, "LuksHeader", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High, DefaultParameterSetName = "Path")]
[OutputType(typeof(HeaderBackup))]
public sealed class RestoreLuksHeaderCommand : SecretCmdlet
{
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string BackupPath { get; set; } = string.Empty;

    /// <summary>Do not ask; also where the image has no header to compare with, or one of another UUID or version.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void ProcessImage(DiskLocation location)
    {
        using DiskKeys? keys = GivenKeys();
        string backup = Shell.ResolveNewPath(BackupPath);
        HeaderRestoration restoration = Run(token => HeaderBackups.PlanRestoreAsync(location, OpenOptions, backup, keys, Force, token));
        try
        {
            if (!Shell.ShouldProcess(location.Text, restoration.Plan, Force))
            {
                return;
            }

            Run(restoration.RunAsync);
            if (restoration.RevivedSlots.Count > 0)
            {
                Shell.WriteWarning($"The passphrases that the key slots {string.Join(", ", restoration.RevivedSlots)} had when the backup was made open '{location}' again, those removed or changed since then included.");
            }

            Shell.WriteObject(restoration.Backup);
        }
        finally
        {
            Run(_ => restoration.DisposeAsync());
        }
    }
}
