using System.Management.Automation;
using VmCrypt.Commands.Export;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>Encrypts plain disks in their place.</summary>
[Cmdlet(VerbsSecurity.Protect, "Image", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High, DefaultParameterSetName = "Path")]
[OutputType(typeof(ImageDescription), typeof(ImageExport))]
public sealed class ProtectImageCommand : SecretCmdlet, IDynamicParameters
{
    private readonly CipherParameters _encryption = new();
    private readonly LiveServing _live = new();
    private ParameterGroups? _parameters;
    private SecretBuffer? _newSecret;

    [Parameter]
    public LuksVersion LuksVersion { get; set; } = LuksVersion.Luks1;

    [Parameter]
    public ReencryptionResilience Resilience { get; set; }

    /// <summary>Give up the end of the disk instead of growing the file.</summary>
    [Parameter]
    public SwitchParameter ReduceSize { get; set; }

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

    [Parameter]
    public SwitchParameter Force { get; set; }

    public object GetDynamicParameters() => _parameters ??= new ParameterGroups(_encryption, _live.Parameters);

    private protected override void Begin() => _live.Parameters.RequireLive(Chain);

    private protected override void ProcessImage(DiskLocation location)
    {
        DiskOpenOptions opening = OpenOptions;
        string action = Chain ? "Encrypt in place, with all images behind it" : opening.HeaderPath is { } header
            ? $"Encrypt in place, with the header {header}"
            : $"Encrypt in place{(ReduceSize ? " and give up the end of the disk" : string.Empty)}";
        if (!Shell.ShouldProcess(location.Text, action, Force))
        {
            return;
        }

        var options = new ReencryptionOptions
        {
            Location = location,
            Format = opening.Format,
            HeaderPath = opening.HeaderPath,
            Version = LuksVersion,
            Encryption = _encryption.Payload(GivenVolumeKey()),
            Resilience = Resilience,
            ReduceSize = ReduceSize,
            LeaveHoles = LeaveHoles,
            WipeFreed = WipeFreed,
            Force = Force,
        };
        NewImages.WarnOfReaders(LuksVersion, Shell);
        SecretBuffer passphrase = _newSecret ??= RequireNewSecret(GivenSecret()?.Copy(), "Passphrase", KeyFile is not null, NewImages.IsForQemu(LuksVersion));
        ChainOptions? chain = Chain ? InPlace.ChainOf(options, opening, AllowedFolder, Force, Shell) : null;
        ImageDescription before = Run(token => InPlace.DescribeAsync(location, opening, token));
        if (!_live.Convert(
            location,
            Shell,
            () => Run((progress, token) => new ValueTask(chain is null
                ? DiskReencryption.ProtectAsync(options, passphrase, progress, token)
                : ChainReencryption.ProtectAsync(chain, passphrase, progress, token))),
            token => LiveConversion.ProtectAsync(options, passphrase, token),
            Run))
        {
            DiskOpenOptions finished = chain is null ? InPlace.Finished(opening, before, plain: false) : InPlace.Finished(chain);
            Shell.WriteObject(Run(token => ImageInspector.DescribeAsync(location, finished, token)));
        }
    }

    private protected override void End() => _live.End(Shell, Run, Attempt, StopToken);

    protected override void Dispose(bool disposing)
    {
        _live.Dispose();
        _newSecret?.Dispose();
        base.Dispose(disposing);
    }
}
