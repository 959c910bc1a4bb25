using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>Changes the size of disks.</summary>
[Cmdlet(VerbsCommon.Resize, "Image", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(ImageDescription))]
public sealed class ResizeImageCommand : UnlockingCmdlet
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

    // Most often only tables change. Where the end of the disk divides a cluster, bytes are zeroed, and so written under the cipher.
    private void Resize(DiskStack disk)
    {
        try
        {
            Run(token => disk.ResizeAsync(Size, AllowShrink, token));
        }
        catch (VmCryptException locked) when (locked.ErrorId is ErrorIds.ImageLocked or ErrorIds.ImageBackingNotAttached)
        {
            _ = Join(disk);
            Run(token => disk.ResizeAsync(Size, AllowShrink, token));
        }
    }
}
