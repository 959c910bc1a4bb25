using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands;

/// <summary>Changes the size of disks.</summary>
[Cmdlet(VerbsCommon.Resize, "Image", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(ImageDescription))]
public sealed class ResizeImageCommand : SecretCmdlet
{
    /// <summary>Bytes.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ByteSize]
    [ValidateRange(1L, long.MaxValue)]
    public long Size { get; set; }

    /// <summary>What lies beyond the new size is lost.</summary>
    [Parameter]
    public SwitchParameter AllowShrink { get; set; }

    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private protected override void ProcessImage(DiskLocation location)
    {
        if (!Shell.ShouldProcess(location.Text, $"Resize to {ByteSize.Format(Size)}"))
        {
            return;
        }

        DiskStack disk = Run(token => DiskStack.OpenAsync(location, OpenOptions with { Writable = true }, token));
        try
        {
            Resize(disk);
        }
        finally
        {
            Run(_ => disk.DisposeAsync());
        }

        if (PassThru)
        {
            Shell.WriteObject(Run(token => ImageInspector.DescribeAsync(location, OpenOptions, token)));
        }
    }

    private void Resize(DiskStack disk)
    {
        // A cluster that the new end divides is zeroed beyond it, and so written under the cipher.
        if (disk.Placement == EncryptionPlacement.Inside)
        {
            _ = Join(disk);
        }

        Run(token => disk.ResizeAsync(Size, AllowShrink, token));
    }
}
