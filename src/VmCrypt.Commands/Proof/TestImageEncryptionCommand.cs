using System.Collections;
using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Proof;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Proof;

/// <summary>Finds out by looking at every stored byte whether disks are really encrypted.</summary>
[Cmdlet(VerbsDiagnostic.Test, "ImageEncryption", DefaultParameterSetName = "Path")]
[OutputType(typeof(ImageProof))]
public sealed class TestImageEncryptionCommand : UnlockingCmdlet
{
    /// <summary>With a key, decrypt all that is stored, not samples.</summary>
    [Parameter]
    public SwitchParameter Full { get; set; }

    /// <summary>Chooses the samples; the same seed makes the same choice.</summary>
    [Parameter]
    public long Seed { get; set; }

    /// <summary>The only slot to try.</summary>
    [Parameter]
    [ValidateRange(0, 31)]
    public int? Slot { get; set; }

    /// <summary>The passphrases of single images of a backing chain, by path or file name.</summary>
    [Parameter]
    public Hashtable? LayerPassphrase { get; set; }

    [Parameter]
    public ReferenceMode References { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] AllowedFolder { get; set; } = [];

    private protected override void ProcessImage(DiskLocation location)
    {
        DiskOpenOptions opening = OpenOptions with { References = References.With(AllowedFolder, Shell) };
        using DiskKeys? keys = GivenKeysFor(location, LayerPassphrase, Slot);
        var options = new ProofOptions { Full = Full, Seed = Seed };
        ImageProof proof = Run((progress, token) => EncryptionProof.RunAsync(location, opening, keys, options, progress, token));
        Shell.WriteAnswer(proof, proof.IsEncrypted);
    }
}
