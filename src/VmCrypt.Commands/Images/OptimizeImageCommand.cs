using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>Makes the files of VHDX and VHD disks as short as their content.</summary>
[Cmdlet(VerbsCommon.Optimize, "Image", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(ImageDescription))]
public sealed class OptimizeImageCommand : ImageCmdlet
{
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private protected override void ProcessImage(DiskLocation location)
    {
        if (!Shell.ShouldProcess(location.Text, "Compact: drop blocks of zeros, move others to the front, cut the file off"))
        {
            return;
        }

        DiskOpenOptions opening = DiskFolders.Opening(OpenOptions with { Writable = true }, location, recurse: true);
        DiskStack disk = Run(token => DiskStack.OpenAsync(location, opening, token));
        try
        {
            long saved = Run(disk.CompactAsync);
            Shell.WriteVerbose($"{location}: {(saved > 0 ? ByteSize.Format(saved) : "nothing")} gained.");
        }
        finally
        {
            Run(_ => disk.DisposeAsync());
        }

        if (PassThru)
        {
            Shell.WriteObject(Run(token => ImageInspector.DescribeAsync(location, opening, token)));
        }
    }
}
