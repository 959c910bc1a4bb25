using System.Management.Automation;
using VmCrypt.Commands.Keys;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>Gives disks another volume key, in their place.</summary>
[Cmdlet(VerbsData.Update, "ImageKey", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High, DefaultParameterSetName = "Path")]
[OutputType(typeof(ImageDescription))]
public sealed class UpdateImageKeyCommand : RekeyCmdlet, IDynamicParameters
{
    private readonly CipherParameters _encryption = new();

    /// <summary>Null for what the header is.</summary>
    [Parameter]
    public LuksVersion? LuksVersion { get; set; }

    [Parameter]
    public ReencryptionResilience Resilience { get; set; }

    /// <summary>Key slots whose passphrases are not given are lost with the old key.</summary>
    [Parameter]
    public SwitchParameter DropOtherSlots { get; set; }

    /// <summary>qcow2: overwrite what no table refers to.</summary>
    [Parameter]
    public SwitchParameter WipeFreed { get; set; }

    [Parameter]
    public SwitchParameter Force { get; set; }

    public object GetDynamicParameters() => _encryption;

    private protected override void ProcessImage(DiskLocation location)
    {
        if (!Shell.ShouldProcess(location.Text, "Give the disk another volume key, in place", Force))
        {
            return;
        }

        DiskOpenOptions opening = OpenOptions;
        var options = new ReencryptionOptions
        {
            Location = location,
            HeaderPath = opening.HeaderPath,
            Version = LuksVersion,
            Encryption = _encryption.Payload(),
            Resilience = Resilience,
            DropOtherSlots = DropOtherSlots,
            WipeFreed = WipeFreed,
        };
        using DiskKeys keys = KeysFor(location);
        SecretBuffer passphrase = InPlace.SecretOf(keys);
        SecretBuffer next = NewPassphrase is null && NewKeyFile is null ? passphrase : RequireNewSecret();
        InPlace.Run(() => Run((progress, token) => new ValueTask(DiskReencryption.UpdateKeyAsync(options, passphrase, [next], progress, token))), location, Shell);
        Shell.WriteObject(Run(token => ImageInspector.DescribeAsync(location, InPlace.Finished(opening, before: null, plain: false), token)));
    }
}
