using VmCrypt.Core.Audit;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Journal;
using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Patterns;
using VmCrypt.Core.Wipe.Standards;
using VmCrypt.Core.Wipe.Targets;

namespace VmCrypt.Core.Wipe;

/// <summary>One run on one opened target, from its first change to its result.</summary>
/// <param name="journal">What was begun, and how far it came.</param>
/// <param name="resumes">The journal was found, not made.</param>
internal sealed class WipeSession(WipeTarget target, WipeRequest request, WipeJournal journal, bool resumes, TimeProvider clock)
{
    private readonly JournalPlan _plan = journal.Plan;
    private readonly WipeStandard _standard = new(journal.Plan.Standard, builtIn: false);
    private readonly RunState _from = journal.State with { Resumes = journal.State.Resumes + (resumes ? 1 : 0) };
    private readonly List<WipeFinding> _findings = [];
    private VmCryptException? _fault;
    private bool _interrupted;

    public WipeRequest Request => request;

    public (string Name, string Value)[] BeginFacts =>
    [
        ("standard", _standard.Name),
        ("identity", target.Identity),
        ("bytes", $"{target.Map.TotalBytes}"),
        ("resumes", $"{_from.Resumes}"),
    ];

    public static (string Name, string Value)[] EndFacts(WipeResult result) =>
    [
        ("standard", result.Standard.Name),
        ("passes", $"{result.Passes.Count}"),
        ("written", $"{result.WrittenBytes}"),
        ("verified", $"{result.Passes.Sum(pass => pass.VerifiedBytes)}"),
        ("after", $"{result.After}"),
        ("exceptions", string.Join(", ", result.Exceptions.Select(finding => finding.Kind).Distinct())),
    ];

    /// <summary>Takes <paramref name="seed"/>.</summary>
    public async Task<WipeResult> RunAsync(SecretBuffer seed, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        using var passes = new PassSequence(_standard, seed);
        var options = new RunOptions
        {
            Activity = $"Wiping {target.Facts.Path}",
            Verify = _plan.Verify,
            BytesPerSecond = request.BytesPerSecond,
            Idle = request.Idle,
            SaveEvery = request.FlushEvery,
        };
        var run = new WipeRun(target, passes, options, journal, clock, _from);
        if (resumes)
        {
            await ResumeCheck.RunAsync(target, passes, _from, cancellationToken);
        }

        try
        {
            await run.BeginAsync(cancellationToken);
            await target.PrepareAsync(cancellationToken);
            await run.RunAsync(progress, cancellationToken);
            _findings.AddRange(target.Compare());
            await target.RestoreAsync(CancellationToken.None);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            _interrupted = true;
            await RestoreUnlessResumableAsync();
        }
        catch (VmCryptException fault)
        {
            _fault = fault;
            // What has changed under the wipe is left as it is.
            await (fault.ErrorId == ErrorIds.WipeTargetChanged ? Task.CompletedTask : RestoreUnlessResumableAsync());
        }

        CollectFindings(run.State, run.LedgerFault);
        AfterWipe after = StatusOf() is WipeStatus.Erased or WipeStatus.ErasedWithExceptions ? await DoAfterAsync() : AfterWipe.Keep;
        if (run.State.Pass > passes.Count)
        {
            // All passes are through, and with them the journal's use, whatever the verdict.
            await journal.DeleteAsync();
        }

        target.MustStay = File.Exists(journal.Path);
        return ResultOf(run.State, after, StatusOf());
    }

    // Cutting a file zeroes the end of its last block, which would no longer hold what the pass has written there.
    private async Task RestoreUnlessResumableAsync()
    {
        try
        {
            await (File.Exists(journal.Path) ? Task.CompletedTask : target.RestoreAsync(CancellationToken.None).AsTask());
        }
        catch (VmCryptException fault)
        {
            _findings.Add(new WipeFinding(FindingKind.Error, FindingWeight.Exception, $"What was made for the wipe could not be undone: {fault.Message}"));
        }
    }

    private async Task<AfterWipe> DoAfterAsync()
    {
        try
        {
            switch (request.After)
            {
                case AfterWipe.Trim:
                    await Aftermath.TrimAsync(target.Device, CancellationToken.None);
                    break;
                case AfterWipe.Delete when target.Facts.Kind == TargetKind.File:
                    await target.DisposeAsync();
                    Aftermath.Delete(target.Facts.Path);
                    break;
                default:
                    return AfterWipe.Keep;
            }

            return request.After;
        }
        catch (VmCryptException fault)
        {
            _findings.Add(new WipeFinding(FindingKind.Error, FindingWeight.Exception, $"The bytes are gone, but not the rest: {fault.Message}"));
            return AfterWipe.Keep;
        }
    }

    private void CollectFindings(RunState state, VmCryptException? ledgerFault)
    {
        // What was true before the first pass is said even if it no longer shows.
        _findings.AddRange(_plan.Known.Concat(target.Findings).DistinctBy(finding => (finding.Kind, finding.Text)));
        Add(FindingKind.Unwritable, FindingWeight.Exception, state.Unwritable, "could not be written and keep what they held");
        Add(FindingKind.Unreadable, FindingWeight.Exception, state.Unreadable, "could not be read back");
        Add(FindingKind.Mismatched, FindingWeight.Failure, state.Mismatched, "hold other bytes than were written");
        if (_plan.PhysicalDigest is { } before && target.PhysicalDigest is { } now && !before.AsSpan().SequenceEqual(now))
        {
            _findings.Add(new WipeFinding(FindingKind.ExtentsMoved, FindingWeight.Exception,
                "Since the wipe was begun the file has moved: its former blocks may still hold the data."));
        }

        if (ledgerFault is not null)
        {
            _findings.Add(new WipeFinding(FindingKind.JournalIncomplete, FindingWeight.Note,
                $"The journal could not be kept, so that a stopped wipe would have begun anew: {ledgerFault.Message}"));
        }

        if (state.Keys is { Verified: false })
        {
            _findings.Add(new WipeFinding(FindingKind.Error, FindingWeight.Failure, "The header, read back, still has a key slot in use."));
        }

        if (_fault is not null)
        {
            _findings.Add(new WipeFinding(FindingKind.Error, FindingWeight.Failure, _fault.Message));
        }
    }

    private void Add(FindingKind kind, FindingWeight weight, DefectList defects, string what)
    {
        if (defects.Bytes > 0)
        {
            _findings.Add(new WipeFinding(kind, weight, $"{defects.Bytes} bytes {what}.") { Bytes = defects.Bytes, Ranges = defects.Ranges });
        }
    }

    private WipeStatus StatusOf() =>
        _interrupted ? WipeStatus.Interrupted
        : _findings.Any(finding => finding.Weight == FindingWeight.Failure) ? WipeStatus.Failed
        : _findings.Any(finding => finding.Weight == FindingWeight.Exception) ? WipeStatus.ErasedWithExceptions
        : WipeStatus.Erased;

    private WipeResult ResultOf(RunState state, AfterWipe after, WipeStatus status)
    {
        return new WipeResult
        {
            Target = target.Facts,
            Status = status,
            Standard = _standard,
            Verify = _plan.Verify,
            Passes = state.Passes,
            Keys = state.Keys,
            Findings = [.. _findings.OrderByDescending(finding => finding.Weight)],
            Started = _plan.Started,
            Finished = clock.GetUtcNow(),
            Resumes = state.Resumes,
            Map = DiskMap.Draw(
                target.Facts.Length,
                target.Map,
                _findings.Where(finding => finding.Weight != FindingWeight.Note).SelectMany(finding => finding.Ranges),
                state.Verifying ? long.MaxValue : state.Position,
                firstPass: state.Pass == 1 && _standard.Passes.Count > 0),
            After = after,
            JournalPath = File.Exists(journal.Path) ? journal.Path : null,
            VM = request.VM,
            Host = Operator.Host,
            Operator = Operator.Name,
            Fault = _fault,
        };
    }
}
