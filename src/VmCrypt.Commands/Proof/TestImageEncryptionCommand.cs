using System.Collections;
using System.Management.Automation;
using System.Security.Cryptography;
using System.Text;
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

    /// <summary>Folders stand for the disks below them; what cannot be tested gets a record that says why.</summary>
    [Parameter]
    public SwitchParameter Recurse { get; set; }

    private protected override IReadOnlyList<string> Resolve(string path) => DiskFolders.Expand(base.Resolve(path), Recurse);

    private protected override void ProcessImage(DiskLocation location)
    {
        string? report = ReportFor(location);
        ImageProof proof = Recurse ? ProveAnyway(location) : Prove(location);
        Shell.WriteAnswer(proof, proof.IsEncrypted);
        if (report is not null)
        {
            Run(token => proof.WriteReportAsync(report, Force, token));
            Shell.WriteVerbose($"{location}: report in {report}");
        }
    }

    private ImageProof Prove(DiskLocation location, bool withKey = true)
    {
        DiskOpenOptions opening = DiskFolders.Opening(OpenOptions with { References = References.With(AllowedFolder, Shell) }, location, Recurse);
        using DiskKeys? keys = withKey ? GivenKeysFor(location, LayerPassphrase, Slot) : null;
        var options = new ProofOptions { Full = Full, Seed = Seed };
        return Run((progress, token) => EncryptionProof.RunAsync(location, opening, keys, options, progress, token));
    }

    // Of many disks a key opens some; of the others it is known what shows without.
    private ImageProof ProveAnyway(DiskLocation location)
    {
        try
        {
            try
            {
                return Prove(location);
            }
            catch (VmCryptException refused) when (refused is WrongKeyException or MissingException or InvalidInputException)
            {
                ImageProof proof = Prove(location, withKey: false);
                return proof with { NotChecked = [.. proof.NotChecked, $"What a key would show: {refused.Message}"] };
            }
        }
        catch (VmCryptException reason)
        {
            return EncryptionProof.Unreadable(location.Text, reason);
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
        path = Directory.Exists(path) ? System.IO.Path.Combine(path, NameOf(location) + ".html") : path;
        return Force || !File.Exists(path) ? path : throw new RefusedException(ErrorIds.FileExists, $"There is a file '{path}' already; -Force replaces it.");
    }

    // Below a folder names repeat, as those of volumes in oVirt's storage do: there the report has the whole path for a name. Where a part
    // of the path has what stands between the parts, another path may read the same: the hash tells them apart.
    private string NameOf(DiskLocation location)
    {
        if (!Recurse)
        {
            return System.IO.Path.GetFileName(location.Text);
        }

        string name = string.Join('_', location.Text.Split(System.IO.Path.GetInvalidFileNameChars(), StringSplitOptions.RemoveEmptyEntries));
        return location.Text.Contains('_', StringComparison.Ordinal)
            ? $"{name}.{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(location.Text)).AsSpan(0, 4))}"
            : name;
    }
}
