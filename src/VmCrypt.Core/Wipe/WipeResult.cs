using VmCrypt.Core.Audit;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Core.Wipe;

public enum WipeStatus
{
    /// <summary>Every byte was overwritten in place, flushed, and verified as far as that was asked for.</summary>
    Erased,

    /// <summary>As far as possible; <see cref="WipeResult.Findings"/> say what may be left.</summary>
    ErasedWithExceptions,

    Failed,

    /// <summary>Stopped; the journal lets it go on.</summary>
    Interrupted,

    /// <summary>The policy allows no erasing: the file was deleted and its blocks still hold the data.</summary>
    DeletedOnly,
}

/// <summary>The destruction of the key slots of an encrypted image.</summary>
/// <param name="Header">What kind of header: <c>Luks1</c>, <c>Luks2</c>.</param>
/// <param name="SlotsDestroyed">Slots that were in use.</param>
/// <param name="SlotsOverwritten">Slots whose key material was overwritten, in use or not.</param>
/// <param name="Verified">The header was read back and has no slot in use.</param>
public sealed record KeyErasure(
    string Header, string Uuid, string Cipher, int SlotsDestroyed, int SlotsOverwritten, bool Verified, DateTimeOffset Started, DateTimeOffset Finished);

/// <summary>What a wipe did, and what a reader has to know about it.</summary>
public sealed record WipeResult
{
    public required MediumFacts Target { get; init; }

    public required WipeStatus Status { get; init; }

    public required WipeStandard Standard { get; init; }

    public required VerifyMode Verify { get; init; }

    public required IReadOnlyList<PassReport> Passes { get; init; }

    /// <summary>Null unless the standard destroys keys.</summary>
    public KeyErasure? Keys { get; init; }

    /// <summary>In order of weight, the heaviest first.</summary>
    public required IReadOnlyList<WipeFinding> Findings { get; init; }

    public required DateTimeOffset Started { get; init; }

    public required DateTimeOffset Finished { get; init; }

    /// <summary>How often it was interrupted and went on.</summary>
    public int Resumes { get; init; }

    /// <summary>What the target's bytes became, from its start to its end, as <see cref="DiskMap"/> draws it.</summary>
    public required string Map { get; init; }

    /// <summary>What was done afterwards; <see cref="AfterWipe.Keep"/> also where the result did not allow more.</summary>
    public AfterWipe After { get; init; }

    /// <summary>Where the journal lies that lets the wipe go on; null where it is over.</summary>
    public string? JournalPath { get; init; }

    public string? VM { get; init; }

    public required string Host { get; init; }

    public required string Operator { get; init; }

    /// <summary>The entry of the audit log that tells of this result.</summary>
    public AuditReceipt? Audit { get; init; }

    /// <summary>Why it failed; null unless it did.</summary>
    public VmCryptException? Fault { get; init; }

    public string Path => Target.Path;

    public IEnumerable<WipeFinding> Exceptions => Findings.Where(finding => finding.Weight != FindingWeight.Note);

    /// <summary>Bytes written in all passes together.</summary>
    public long WrittenBytes => Passes.Sum(pass => pass.WrittenBytes);
}
