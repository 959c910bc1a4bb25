using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>Copies the LUKS headers of images, with their key material, to files.</summary>
[Cmdlet(VerbsData.Backup, "LuksHeader", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(HeaderBackup))]
public sealed class BackupLuksHeaderCommand : ImageCmdlet
{
    /// <summary>A new file, or a folder in which each file is named after its image.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    public string BackupPath { get; set; } = string.Empty;

    /// <summary>Replace an existing file.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void ProcessImage(DiskLocation location)
    {
        string path = PathFor(location);
        if (Shell.ShouldProcess(location.Text, $"Back up the LUKS header to '{path}'"))
        {
            Shell.WriteObject(Run(token => HeaderBackups.BackupAsync(location, OpenOptions, path, Force, token)));
        }
    }

    private string PathFor(DiskLocation location)
    {
        string path = Shell.ResolveNewPath(BackupPath);
        if (!Directory.Exists(path))
        {
            return path;
        }

        return location.IsNbd
            ? throw new InvalidInputException(ErrorIds.InvalidParameter, $"A disk behind an NBD server has no name for a file in the folder '{path}'; name the file.")
            : System.IO.Path.Combine(path, System.IO.Path.GetFileName(location.Text) + HeaderFiles.Extension);
    }
}
