using System.Collections;
using System.Management.Automation;
using VmCrypt.Commands.Export;
using VmCrypt.Commands.Host;
using VmCrypt.Commands.Keys;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>Gives disks another volume key, in their place.</summary>
[Cmdlet(VerbsData.Update, "ImageKey", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High, DefaultParameterSetName = "Path")]
[OutputType(typeof(ImageDescription), typeof(ImageExport))]
public sealed class UpdateImageKeyCommand : RekeyCmdlet, IDynamicParameters
{
    private readonly CipherParameters _encryption = new();
    private readonly LiveServing _live = new();
    private ParameterGroups? _parameters;

    /// <summary>Null for what the header is.</summary>
    [Parameter]
    public LuksVersion? LuksVersion { get; set; }

    [Parameter]
    public ReencryptionResilience Resilience { get; set; }

    /// <summary>Key slots whose passphrases are not given are lost with the old key.</summary>
    [Parameter]
    public SwitchParameter DropOtherSlots { get; set; }

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

    /// <summary>Passphrases of single layers, by path or file name.</summary>
    [Parameter]
    public Hashtable? LayerPassphrase { get; set; }

    [Parameter]
    public SwitchParameter Force { get; set; }

    public object GetDynamicParameters() => _parameters ??= new ParameterGroups(_encryption, _live.Parameters);

    private protected override void Begin() => _live.Parameters.RequireLive(Chain);

    private protected override void ProcessImage(DiskLocation location)
    {
        if (!Shell.ShouldProcess(location.Text, $"Give the disk another volume key, in place{(Chain ? ", and each image behind it one of its own" : string.Empty)}", Force))
        {
            return;
        }

        DiskOpenOptions opening = OpenOptions;
        var options = new ReencryptionOptions
        {
            Location = location,
            Format = opening.Format,
            HeaderPath = opening.HeaderPath,
            Version = LuksVersion,
            Encryption = _encryption.Payload(),
            Resilience = Resilience,
            DropOtherSlots = DropOtherSlots,
            WipeFreed = WipeFreed,
        };
        using DiskKeys keys = KeysFor(location);
        AddLayers(keys, LayerPassphrase);
        ChainOptions? chain = Chain ? InPlace.ChainOf(options, opening, AllowedFolder, Force, Shell) : null;
        SecretBuffer passphrase = InPlace.SecretOf(keys);
        SecretBuffer next = NewPassphrase is null && NewKeyFile is null ? passphrase : RequireNewSecret();
        ImageDescription before = Run(token => InPlace.DescribeAsync(location, opening, token));
        if (!_live.Convert(
            location,
            Shell,
            () => Run((progress, token) => new ValueTask(chain is null
                ? DiskReencryption.UpdateKeyAsync(options, passphrase, [next], progress, token)
                : ChainReencryption.UpdateKeyAsync(chain, keys, [next], progress, token))),
            token => LiveConversion.UpdateKeyAsync(options, passphrase, [next], token),
            Run))
        {
            DiskOpenOptions finished = chain is null ? InPlace.Finished(opening, before, plain: false) : InPlace.Finished(chain);
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
