using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>A LUKS header that was converted in its place.</summary>
/// <param name="Path">The image.</param>
/// <param name="DetachedHeader">Where its header lies if not in the image.</param>
/// <param name="Version">What it has become.</param>
/// <param name="BackupPath">The header as it was.</param>
/// <param name="Losses">What the new version has no place for.</param>
public sealed record ConvertedHeader(string Path, string? DetachedHeader, LuksVersion Version, string Uuid, string BackupPath, string[] Losses);

/// <summary>A command that makes a LUKS header one of the other version.</summary>
public abstract class ConvertHeaderCmdlet : ImageCmdlet
{
    /// <summary>A new file; null for one beside the image.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? BackupPath { get; set; }

    /// <summary>Do not ask.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected abstract LuksVersion Target { get; }

    /// <summary>What else is to be said when the header has been converted; null for nothing.</summary>
    private protected abstract string? Remark { get; }

    private protected override void ProcessImage(DiskLocation location)
    {
        HeaderConversion conversion = Run(token => HeaderConversion.PlanAsync(location, OpenOptions, Target, token));
        try
        {
            string path = BackupPath is null ? HeaderFiles.Beside(location, conversion.Source) : Shell.ResolveNewPath(BackupPath);
            string losses = string.Concat(conversion.Losses.Select(loss => $" {loss}"));
            string plan = $"Convert the header {conversion.Uuid} from {LuksVersions.NameOf(conversion.Source)} to {LuksVersions.NameOf(conversion.Target)} in its place, after a backup of it to '{path}'.{losses}";
            if (!Shell.ShouldProcess(location.Text, plan, Force))
            {
                return;
            }

            HeaderBackup backup = Run(token => conversion.RunAsync(path, token));
            foreach (string warning in conversion.Losses.Append(Remark).OfType<string>())
            {
                Shell.WriteWarning(warning);
            }

            Shell.WriteObject(new ConvertedHeader(backup.Path, backup.DetachedHeader, Target, backup.Uuid, backup.BackupPath, [.. conversion.Losses]));
        }
        finally
        {
            Run(_ => conversion.DisposeAsync());
        }
    }
}
