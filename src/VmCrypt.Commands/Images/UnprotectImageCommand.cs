using System.Collections;
using System.Management.Automation;
using VmCrypt.Commands.Export;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>Decrypts disks in their place.</summary>
[Cmdlet(VerbsSecurity.Unprotect, "Image", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High, DefaultParameterSetName = "Path")]
[OutputType(typeof(ImageDescription), typeof(ImageExport))]
public sealed class UnprotectImageCommand : UnlockingCmdlet, IDynamicParameters
{
    private readonly LiveServing _live = new();

    [Parameter]
    public ReencryptionResilience Resilience { get; set; }

    /// <summary>Every image of the backing chain, from the base up.</summary>
    [Parameter]
    public SwitchParameter Chain { get; set; }

    /// <summary>Further folders whose files may be converted when layers name them.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] AllowedFolder { get; set; } = [];

    /// <summary>Passphrases of single layers, by path or file name.</summary>
    [Parameter]
    public Hashtable? LayerPassphrase { get; set; }

    [Parameter]
    public SwitchParameter Force { get; set; }

    public object GetDynamicParameters() => _live.Parameters;

    private protected override void Begin() => _live.Parameters.RequireLive(Chain);

    private protected override void ProcessImage(DiskLocation location)
    {
        if (!Shell.ShouldProcess(location.Text, $"Decrypt in place{(Chain ? ", with all images behind it" : string.Empty)}: whoever reads the image reads the disk", Force))
        {
            return;
        }

        DiskOpenOptions opening = OpenOptions;
        var options = new ReencryptionOptions { Location = location, Format = opening.Format, HeaderPath = opening.HeaderPath, Resilience = Resilience, Force = Force };
        ImageDescription before = Run(token => InPlace.DescribeAsync(location, opening, token));
        using DiskKeys keys = KeysFor(location);
        AddLayers(keys, LayerPassphrase);
        ChainOptions? chain = Chain ? InPlace.ChainOf(options, opening, AllowedFolder, Force, Shell) : null;
        SecretBuffer passphrase = InPlace.SecretOf(keys);
        if (!_live.Convert(
            location,
            Shell,
            () => Run((progress, token) => new ValueTask(chain is null
                ? DiskReencryption.UnprotectAsync(options, passphrase, progress, token)
                : ChainReencryption.UnprotectAsync(chain, keys, progress, token))),
            token => LiveConversion.UnprotectAsync(options, passphrase, token),
            Run))
        {
            DiskOpenOptions finished = chain is null || before.Backing is null ? InPlace.Finished(opening, before, plain: true) : InPlace.Finished(chain);
            Shell.WriteObject(Run(token => ImageInspector.DescribeAsync(location, finished, token)));
        }
    }

    private protected override void End()
    {
        LockStore();
        _live.End(Shell, Run, Attempt, StopToken);
    }

    protected override void Dispose(bool disposing)
    {
        _live.Dispose();
        base.Dispose(disposing);
    }
}
