using System.Collections;
using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
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

    /// <summary>Where the report goes: a file ending in .html for one disk, or a folder.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Report { get; set; }

    /// <summary>Replace reports that there are.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    [Parameter]
    public ReferenceMode References { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] AllowedFolder { get; set; } = [];

    private protected override void ProcessImage(DiskLocation location)
    {
        string? report = ReportFor(location);
        DiskOpenOptions opening = OpenOptions with { References = References.With(AllowedFolder, Shell) };
        using DiskKeys? keys = GivenKeysFor(location, LayerPassphrase, Slot);
        var options = new ProofOptions { Full = Full, Seed = Seed };
        ImageProof proof = Run((progress, token) => EncryptionProof.RunAsync(location, opening, keys, options, progress, token));
        Shell.WriteAnswer(proof, proof.IsEncrypted);
        if (report is not null)
        {
            Run(token => proof.WriteReportAsync(report, Force, token));
            Shell.WriteVerbose($"{location}: report in {report}");
        }
    }

    /// <summary>Several disks go into a folder, each under its own name. What stands in the way is said before hours of work, not after.</summary>
    private string? ReportFor(DiskLocation location)
    {
        if (Report is null)
        {
            return null;
        }

        string path = Shell.ResolveNewPath(Report);
        path = Directory.Exists(path) ? System.IO.Path.Combine(path, System.IO.Path.GetFileName(location.Text) + ".html") : path;
        return Force || !File.Exists(path) ? path : throw new RefusedException(ErrorIds.FileExists, $"There is a file '{path}' already; -Force replaces it.");
    }
}
