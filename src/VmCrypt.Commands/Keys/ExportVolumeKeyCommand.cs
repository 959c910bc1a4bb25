using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>A volume key that was written to a file.</summary>
/// <param name="Path">The image.</param>
/// <param name="KeySize">Bits.</param>
/// <param name="VolumeKeyFile">The file that holds it.</param>
public sealed record ExportedVolumeKey(string Path, string? DetachedHeader, int KeySize, string VolumeKeyFile);

/// <summary>Writes the volume key of an image to a file, raw.</summary>
[Cmdlet(VerbsData.Export, "VolumeKey", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High, DefaultParameterSetName = "Path")]
[OutputType(typeof(ExportedVolumeKey))]
public sealed class ExportVolumeKeyCommand : UnlockingCmdlet
{
    /// <summary>A file that does not exist yet.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    public string Destination { get; set; } = string.Empty;

    /// <summary>The only slot to try; null tries all.</summary>
    [Parameter]
    [ValidateRange(0, 31)]
    public int? Slot { get; set; }

    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void ProcessImage(DiskLocation location)
    {
        if (!Force)
        {
            throw new RefusedException(ErrorIds.ForceRequired,
                "Whoever has the volume key opens the disk for ever, without a passphrase and whatever becomes of the key slots; it is exported with -Force only.");
        }

        string file = Shell.ResolveNewPath(Destination);
        if (!Shell.ShouldProcess(location.Text, $"Write the volume key to '{file}'", Force))
        {
            return;
        }

        DiskOpenOptions options = OpenOptions;
        using DiskKeys keys = KeysFor(location, Slot);
        ExportedKey exported = Run(token => VolumeKeyExport.RunAsync(location, options, keys, file, token));
        Shell.WriteWarning(!exported.OpensData ? $"'{file}' holds the key that key slot {Slot} keeps for others; it does not open the disk." : $"'{file}' opens the disk without a passphrase, also when all its key slots are changed or destroyed; only encrypting the disk anew takes that back.");
        Shell.WriteObject(new ExportedVolumeKey(location.Text, options.HeaderPath, exported.Length * 8, file));
    }
}
