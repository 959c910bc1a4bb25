using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.Export;

/// <summary>Ends exports: running requests finish, a conversion stops after the zone at work, everything is flushed and closed.</summary>
[Cmdlet(VerbsCommon.Lock, "Image", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
public sealed class LockImageCommand : VmCryptCmdlet
{
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = "Path")]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>The exports' own addresses, as Unlock-Image gave them.</summary>
    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = "Uri")]
    [ValidateNotNullOrEmpty]
    public string[] Uri { get; set; } = [];

    [Parameter(Mandatory = true, ParameterSetName = "All")]
    public SwitchParameter All { get; set; }

    private protected override void Process()
    {
        IReadOnlyList<ServedImage> served = ServedImage.All();
        switch (Shell.ParameterSet)
        {
            case "All":
                foreach (ServedImage image in served)
                {
                    Attempt(image.Path, () => Stop(image));
                }

                break;
            case "Uri":
                foreach (string uri in Uri)
                {
                    Attempt(uri, () => StopThose([.. served.Where(image => image.Uri == uri)], uri));
                }

                break;
            default:
                foreach (string path in Path)
                {
                    string full = Shell.ResolveNewPath(path);
                    Attempt(full, () => StopThose([.. served.Where(image => image.Path == full)], full));
                }

                break;
        }
    }

    private void StopThose(IReadOnlyList<ServedImage> images, string what)
    {
        if (images.Count == 0)
        {
            throw new MissingException(ErrorIds.ExportMissing, $"Nothing serves {what}.");
        }

        foreach (ServedImage image in images)
        {
            Stop(image);
        }
    }

    private void Stop(ServedImage image)
    {
        if (Shell.ShouldProcess(image.Path, $"Stop serving it at {image.Uri}"))
        {
            Run(image.StopAsync);
            image.Conversion?.WarnIfStopped(image.Path, Shell);
            image.Conversion?.ThrowIfFailed();
        }
    }
}
