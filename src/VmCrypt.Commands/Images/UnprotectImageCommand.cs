using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>Decrypts disks in their place.</summary>
[Cmdlet(VerbsSecurity.Unprotect, "Image", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High, DefaultParameterSetName = "Path")]
[OutputType(typeof(ImageDescription))]
public sealed class UnprotectImageCommand : UnlockingCmdlet
{
    [Parameter]
    public ReencryptionResilience Resilience { get; set; }

    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void ProcessImage(DiskLocation location)
    {
        if (!Shell.ShouldProcess(location.Text, "Decrypt in place: whoever reads the image reads the disk", Force))
        {
            return;
        }

        DiskOpenOptions opening = OpenOptions;
        var options = new ReencryptionOptions { Location = location, HeaderPath = opening.HeaderPath, Resilience = Resilience };
        ImageDescription before = Run(token => ImageInspector.DescribeAsync(location, opening, token));
        using DiskKeys keys = KeysFor(location);
        InPlace.Run(() => Run((progress, token) => new ValueTask(DiskReencryption.UnprotectAsync(options, InPlace.SecretOf(keys), progress, token))), location, Shell);
        Shell.WriteObject(Run(token => ImageInspector.DescribeAsync(location, InPlace.Finished(opening, before, plain: true), token)));
    }
}
