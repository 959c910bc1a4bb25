using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>Says all that can be said of an image without its key.</summary>
[Cmdlet(VerbsCommon.Get, "EncryptedImage", DefaultParameterSetName = "Path")]
[OutputType(typeof(ImageDescription))]
public sealed class GetEncryptedImageCommand : ImageCmdlet
{
    [Parameter]
    public ReferenceMode References { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] AllowedFolder { get; set; } = [];

    /// <summary>Folders stand for the disks below them; what cannot be read is described as such.</summary>
    [Parameter]
    public SwitchParameter Recurse { get; set; }

    private protected override IReadOnlyList<string> Resolve(string path) => DiskFolders.Expand(base.Resolve(path), Recurse);

    private protected override void ProcessImage(DiskLocation location)
    {
        DiskOpenOptions options = DiskFolders.Opening(OpenOptions with { References = References.With(AllowedFolder, Shell) }, location, Recurse);
        try
        {
            Shell.WriteObject(Run(token => ImageInspector.DescribeAsync(location, options, token)));
        }
        catch (VmCryptException reason) when (Recurse)
        {
            Shell.WriteObject(ImageInspector.Unreadable(location.Text, reason));
        }
    }
}
