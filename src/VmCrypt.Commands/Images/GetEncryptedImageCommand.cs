using System.Management.Automation;
using VmCrypt.Commands.Host;
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

    private protected override void ProcessImage(DiskLocation location)
    {
        DiskOpenOptions options = OpenOptions with { References = References.With(AllowedFolder, Shell) };
        Shell.WriteObject(Run(token => ImageInspector.DescribeAsync(location, options, token)));
    }
}
