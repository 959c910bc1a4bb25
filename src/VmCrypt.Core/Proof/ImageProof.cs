using System.Text;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Proof.Report;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Proof;

/// <summary>What the test of a disk comes to.</summary>
public enum ProofVerdict
{
    /// <summary>Every layer declares its encryption, and nothing that is stored looks like anything but ciphertext.</summary>
    Encrypted,

    /// <summary>Encrypted, but so that equal content shows: cipher blocks or sectors repeat.</summary>
    Weak,

    /// <summary>The encryption of qcow, with nothing in plain beside it: the key is the passphrase itself.</summary>
    Legacy,

    /// <summary>What is stored looks random, but no header says under what it is encrypted, or whether it is.</summary>
    Unproven,

    /// <summary>Encrypted in part: some layers or ranges are plain.</summary>
    Mixed,

    /// <summary>Not encrypted.</summary>
    Plain,

    /// <summary>It could not be tested; <see cref="ImageProof.Unusable"/> says why.</summary>
    Unreadable,
}

/// <summary>On what the verdict rests, from weak to strong.</summary>
public enum ProofConfidence
{
    /// <summary>Nothing was looked at.</summary>
    None,

    /// <summary>The bytes look random. So do compressed data.</summary>
    LooksRandom,

    /// <summary>A header declares the encryption, and the bytes look as they should. Without its key more cannot be known.</summary>
    Declared,

    /// <summary>The key opens the header, but what was decrypted has no structure: the guest has written nothing there, or only noise.</summary>
    KeyOpens,

    /// <summary>The key opens the header, and samples of the ciphertext decrypt to structured data.</summary>
    Sampled,

    /// <summary>The same of all that is stored.</summary>
    Full,

    /// <summary>Plain data were seen.</summary>
    Observed,
}

/// <summary>What was found out about one disk.</summary>
/// <remarks>Lists are arrays, because those are what PowerShell can index.</remarks>
public sealed record ImageProof
{
    /// <summary>The full path or NBD URI.</summary>
    public required string Path { get; init; }

    public required ProofVerdict Verdict { get; init; }

    public required ProofConfidence Confidence { get; init; }

    /// <summary>The verdict in a sentence.</summary>
    public required string Summary { get; init; }

    /// <summary>Every file of the disk: the active image first, then its data file and header, then the backing chain.</summary>
    public LayerProof[] Layers { get; init; } = [];

    /// <summary>The sums of all layers.</summary>
    public ProofBytes Bytes { get; init; } = new();

    /// <summary>Where something is not as it should be; the first <see cref="EncryptionProof.MaxFindings"/> of each kind and layer.</summary>
    public ProofFinding[] Findings { get; init; } = [];

    /// <summary>Findings beyond those.</summary>
    public long FindingsOmitted { get; init; }

    /// <summary>All of them.</summary>
    public long FindingCount => Findings.Length + FindingsOmitted;

    /// <summary>What is weak about headers and layout, whatever the bytes are.</summary>
    public Weakness[] Weaknesses { get; init; } = [];

    /// <summary>The header of the active image; null where it has none.</summary>
    public LuksFacts? Luks { get; init; }

    /// <summary>What this test looked at, and what it could not; a sentence each.</summary>
    public string[] Checked { get; init; } = [];

    public string[] NotChecked { get; init; } = [];

    /// <summary>A writer has the image open, so that what was read may have changed meanwhile.</summary>
    public bool InUse { get; init; }

    /// <summary>Chooses the samples that are decrypted; the same seed makes the same choice.</summary>
    public long Seed { get; init; }

    public DateTimeOffset Started { get; init; }

    public TimeSpan Duration { get; init; }

    /// <summary>Why the disk could not be tested; null when it could.</summary>
    public VmCryptException? Unusable { get; init; }

    public bool IsEncrypted => Verdict == ProofVerdict.Encrypted;

    /// <summary>The id of <see cref="Unusable"/>.</summary>
    public string? ErrorId => Unusable?.ErrorId;

    /// <summary>The report: one page that needs nothing but itself.</summary>
    public string ToHtml() => ProofPage.Render(this);

    /// <summary>Writes the report to a file, which appears when it is complete.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.FileExists"/>.</exception>
    public async ValueTask WriteReportAsync(string path, bool replace, CancellationToken cancellationToken)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(ToHtml());
        await using PendingFile pending = await PendingFile.CreateAsync(path, new FileCreateOptions { Length = bytes.Length }, replace, cancellationToken);
        await pending.Device.WriteAsync(0, bytes, cancellationToken);
        await pending.CommitAsync(cancellationToken);
    }
}

/// <summary>What bytes of a layer look like.</summary>
public sealed record ProofBytes
{
    /// <summary>Like ciphertext.</summary>
    public long Ciphertext { get; init; }

    /// <summary>Not like ciphertext, where nothing else is expected.</summary>
    public long Plain { get; init; }

    /// <summary>Like ciphertext whose cipher blocks repeat.</summary>
    public long Weak { get; init; }

    /// <summary>Zeros in sectors where nothing else is stored. They show what was written and what was not.</summary>
    public long Zero { get; init; }

    /// <summary>Without storage; likewise.</summary>
    public long Hole { get; init; }

    /// <summary>The header of the encryption, key material included.</summary>
    public long Header { get; init; }

    /// <summary>Tables of the container, which are never encrypted.</summary>
    public long Metadata { get; init; }

    /// <summary>Not looked at, or not readable.</summary>
    public long Unchecked { get; init; }

    /// <summary>Of the ciphertext, bytes that were decrypted and encrypted again.</summary>
    public long Decrypted { get; init; }

    /// <summary>Of those, bytes whose plain text has a structure, which under a wrong key it has not.</summary>
    public long Structured { get; init; }

    public long Total => Ciphertext + Plain + Weak + Zero + Hole + Header + Metadata + Unchecked;

    public static ProofBytes operator +(ProofBytes one, ProofBytes other) => new()
    {
        Ciphertext = one.Ciphertext + other.Ciphertext,
        Plain = one.Plain + other.Plain,
        Weak = one.Weak + other.Weak,
        Zero = one.Zero + other.Zero,
        Hole = one.Hole + other.Hole,
        Header = one.Header + other.Header,
        Metadata = one.Metadata + other.Metadata,
        Unchecked = one.Unchecked + other.Unchecked,
        Decrypted = one.Decrypted + other.Decrypted,
        Structured = one.Structured + other.Structured,
    };
}
