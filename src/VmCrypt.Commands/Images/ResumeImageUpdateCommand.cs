using System.Management.Automation;
using System.Security;
using VmCrypt.Commands.Export;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>Goes on with conversions in place that were interrupted, those of cryptsetup included.</summary>
[Cmdlet(VerbsLifecycle.Resume, "ImageUpdate", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(ImageDescription), typeof(ImageExport))]
public sealed class ResumeImageUpdateCommand : SecretCmdlet, IDynamicParameters
{
    private readonly LiveServing _live = new();

    /// <summary>Opens the new key, where its passphrase is another.</summary>
    [Parameter]
    public SecureString? NewPassphrase { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? NewKeyFile { get; set; }

    /// <summary>How the start of a decrypted disk is protected, where that had not begun.</summary>
    [Parameter]
    public ReencryptionResilience Resilience { get; set; }

    /// <summary>What was zeros in holes reads as noise afterwards.</summary>
    [Parameter]
    public SwitchParameter LeaveHoles { get; set; }

    /// <summary>qcow2, VHDX, VHD: overwrite what no table refers to.</summary>
    [Parameter]
    public SwitchParameter WipeFreed { get; set; }

    /// <summary>Every image of the backing chain, from the base up.</summary>
    [Parameter]
    public SwitchParameter Chain { get; set; }

    /// <summary>Further folders whose files may be converted when layers name them.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] AllowedFolder { get; set; } = [];

    public object GetDynamicParameters() => _live.Parameters;

    private protected override void Begin() => _live.Parameters.RequireLive(Chain);

    private protected override void ProcessImage(DiskLocation location)
    {
        if (!Shell.ShouldProcess(location.Text, "Go on with the conversion in place"))
        {
            return;
        }

        DiskOpenOptions opening = OpenOptions;
        ImageDescription before = Run(token => InPlace.DescribeAsync(location, opening, token));
        var options = new ReencryptionOptions { Location = location, Format = opening.Format, HeaderPath = opening.HeaderPath, Resilience = Resilience, LeaveHoles = LeaveHoles, WipeFreed = WipeFreed };
        using SecretBuffer? next = new SecretSource
        {
            Passphrase = NewPassphrase,
            KeyFile = NewKeyFile is null ? null : new KeyFile(Shell.ResolveNewPath(NewKeyFile), 0, null),
        }.Read();
        using DiskKeys keys = RequireKeys();
        SecretBuffer[] passphrases = next is null ? [InPlace.SecretOf(keys)] : [InPlace.SecretOf(keys), next];
        ChainOptions? chain = Chain ? InPlace.ChainOf(options, opening, AllowedFolder, force: false, Shell) : null;
        if (_live.Convert(
            location,
            Shell,
            () => Run((progress, token) => new ValueTask(chain is null
                ? DiskReencryption.ResumeAsync(options, passphrases, progress, token)
                : ChainReencryption.ResumeAsync(chain, passphrases, progress, token))),
            token => LiveConversion.ResumeAsync(options, passphrases, token),
            Run))
        {
            return;
        }

        bool plain = before.Conversion?.Mode == ReencryptionMode.Decrypt;
        DiskOpenOptions finished = chain is null ? InPlace.Finished(opening, before, plain) : InPlace.Finished(chain);
        Shell.WriteObject(Run(token => ImageInspector.DescribeAsync(location, finished, token)));
    }

    private protected override void End() => _live.End(Shell, Run, Attempt, StopToken);

    protected override void Dispose(bool disposing)
    {
        _live.Dispose();
        base.Dispose(disposing);
    }
}
