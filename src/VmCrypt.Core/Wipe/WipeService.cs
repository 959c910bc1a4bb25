using VmCrypt.Core.Audit;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Journal;
using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Patterns;
using VmCrypt.Core.Wipe.Policy;
using VmCrypt.Core.Wipe.Standards;
using VmCrypt.Core.Wipe.Targets;

namespace VmCrypt.Core.Wipe;

/// <summary>Wipes disks under the policy of this host and writes down what it did. For many targets at once.</summary>
public sealed class WipeService
{
    private readonly ConfigurationFolder _configuration;
    private readonly WipeAudit _audit;
    private readonly WipePolicies _policies;
    private readonly ImageRelations _relations = new();
    private readonly TimeProvider _clock;

    public WipeService(ConfigurationFolder configuration, TimeProvider? clock = null)
    {
        _configuration = configuration;
        _clock = clock ?? TimeProvider.System;
        _audit = new WipeAudit(AuditLog.Of(configuration));
        _policies = new WipePolicies(configuration);
    }

    /// <summary>Finds out what a wipe would do; changes nothing.</summary>
    /// <remarks>Errors are those of <see cref="RunAsync"/>.</remarks>
    public async Task<WipePlan> PlanAsync(WipeRequest request, CancellationToken cancellationToken)
    {
        PolicyDecision decision = await DecideAsync(request, cancellationToken);
        WipeStandard standard = decision.Standard;
        VerifyMode verify = request.Verify ?? standard.Verify;
        await using WipeTarget target = await TargetOpener.OpenAsync(request.Path, request.AllowLinks, null, cancellationToken);
        string journal = JournalPlace.Of(target.Facts.Kind, target.Facts.Path, request.StatePath, _configuration);
        long work = decision.DeleteOnly ? 0 : Work(target.Map.TotalBytes, standard.Passes.Count, verify);
        return new WipePlan
        {
            Target = target.Facts,
            Standard = standard,
            Verify = verify,
            After = request.After,
            Findings = target.Findings,
            WorkBytes = work,
            EstimatedTime = await SpeedProbe.EstimateAsync(target, work, request.BytesPerSecond, cancellationToken),
            JournalPath = File.Exists(journal) ? journal : null,
            DeleteOnly = decision.DeleteOnly,
        };
    }

    /// <summary>Wipes a target, or goes on with a wipe of it that was stopped.</summary>
    /// <remarks>
    /// A cancel ends with a result, too: <see cref="WipeStatus.Interrupted"/>. So does a medium that fails:
    /// <see cref="WipeStatus.Failed"/>. What is refused before anything was changed throws.
    /// </remarks>
    /// <exception cref="RefusedException">A link, swap, the system's disk, an image that others are built on, or the policy says no.</exception>
    /// <exception cref="DeviceBusyException">Mounted, held, or in use by a VM.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.FileNotFound"/>.</exception>
    public Task<WipeResult> RunAsync(WipeRequest request, IProgress<JobProgress>? progress, CancellationToken cancellationToken) =>
        _audit.RefusalsOfAsync(request, async () =>
        {
            PolicyDecision decision = await DecideAsync(request, cancellationToken);
            return decision.DeleteOnly
                ? await DeleteOnlyAsync(request, decision.Standard, cancellationToken)
                : await WipeAsync(request, decision.Standard, progress, cancellationToken);
        });

    /// <summary>Goes on with the wipe that a journal tells of.</summary>
    /// <param name="path">The target or the journal itself.</param>
    /// <param name="statePath">As it was given to the wipe.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.WipeJournalMissing"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.WipeJournalForeign"/>.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WipeJournalKeyWrong"/>.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.WipeJournalDamaged"/>.</exception>
    public Task<WipeResult> ResumeAsync(string path, string? statePath, IProgress<JobProgress>? progress, CancellationToken cancellationToken) =>
        _audit.RefusalsOfAsync(new WipeRequest { Path = path }, async () =>
        {
            string file = FindJournal(path, statePath);
            using SecretBuffer hostKey = await HostKey.LoadAsync(_configuration, cancellationToken);
            (WipeJournal journal, SecretBuffer seed) = await WipeJournal.OpenAsync(file, hostKey, cancellationToken);
            await using (journal)
            {
                using SecretBuffer owned = seed;
                JournalPlan plan = journal.Plan;
                WipeRequest request = plan.ToRequest();
                return (await DecideAsync(request, cancellationToken)).DeleteOnly
                    ? throw new RefusedException(ErrorIds.WipeNotAllowed, $"The wipe policy of this host no longer allows '{plan.Path}' to be erased.")
                    : await GoOnAsync(journal, seed, request, progress, cancellationToken);
            }
        });

    /// <summary>The request itself and one for each file that belongs to its image and is to go along, in the order in which they can go.</summary>
    public static async Task<IReadOnlyList<WipeRequest>> ExpandAsync(WipeRequest request, CancellationToken cancellationToken)
    {
        if (request.Include == WipeInclude.None)
        {
            return [request];
        }

        string[] paths =
        [
            request.Path,
            .. (await Companions.FindAsync(request.Path, cancellationToken)).Where(other => request.Include.HasFlag(other.Kind)).Select(other => other.Path),
        ];
        string[] together = [.. paths.Select(TargetOpener.FullPath)];
        return [.. paths.Select(path => request with { Path = path, Include = WipeInclude.None, Together = together })];
    }

    /// <summary>Fills the free space of a file system but for a reserve, wipes it, and gives it back. A stop starts from the beginning the next time.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.FileNotFound"/>.</exception>
    public Task<WipeResult> RunFreeSpaceAsync(FreeSpaceRequest request, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        string folder = Path.GetFullPath(request.Folder);
        var wipe = new WipeRequest
        {
            Path = folder,
            Standard = request.Standard,
            Verify = request.Verify,
            BytesPerSecond = request.BytesPerSecond,
            Idle = request.Idle,
        };
        return _audit.RefusalsOfAsync(wipe, async () =>
        {
            await using FreeSpaceTarget target = await FreeSpaceTarget.FillAsync(folder, request.ReserveBytes, cancellationToken);
            JournalPlan plan = JournalPlan.Of(target, wipe, request.Standard, _clock);
            return await ExecuteAsync(
                new WipeSession(target, wipe, plan, null, _clock), SecretBuffer.Random(PassSequence.SeedSize), progress, cancellationToken);
        });
    }

    private async Task<WipeResult> WipeAsync(
        WipeRequest request, WipeStandard standard, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        using SecretBuffer hostKey = await HostKey.LoadAsync(_configuration, cancellationToken);
        string path = TargetOpener.FullPath(request.Path);
        string file = JournalPlace.Of(TargetOpener.KindOf(path), path, request.StatePath, _configuration);
        if (File.Exists(file) && !request.Restart)
        {
            (WipeJournal begun, SecretBuffer begunSeed) = await WipeJournal.OpenAsync(file, hostKey, cancellationToken);
            await using (begun)
            {
                using SecretBuffer owned = begunSeed;
                begun.RequireSame(standard, request.Verify);
                return await GoOnAsync(begun, begunSeed, request, progress, cancellationToken);
            }
        }

        // Looked at while the image can still be read.
        string[] companions = [.. (await Companions.FindAsync(path, cancellationToken)).Select(other => other.Path).Where(other => !request.Together.Contains(other))];
        KeyErasure? keys = standard.CryptoErase ? await EraseKeysAsync(request, cancellationToken) : null;
        await using WipeTarget target = await TargetOpener.OpenAsync(request.Path, request.AllowLinks, null, cancellationToken);
        SecretBuffer seed = SecretBuffer.Random(PassSequence.SeedSize);
        JournalPlan plan = JournalPlan.Of(target, request, standard, _clock);
        await using WipeJournal journal = WipeJournal.Create(file, plan, seed, hostKey);
        var session = new WipeSession(target, request, plan, journal, _clock)
        {
            ErasedKeys = keys,
            KnownFindings = [.. companions.Select(other => new WipeFinding(FindingKind.NotIncluded, FindingWeight.Note, $"Not covered: '{other}', which belongs to the disk."))],
        };
        return await ExecuteAsync(session, seed, progress, cancellationToken);
    }

    private async Task<WipeResult> GoOnAsync(
        WipeJournal journal, SecretBuffer seed, WipeRequest request, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        await using WipeTarget target =
            await TargetOpener.OpenAsync(journal.Plan.Path, request.AllowLinks, journal.Plan.Length, cancellationToken);
        journal.RequireTarget(target.Identity, target.Map);
        return await ExecuteAsync(new WipeSession(target, request, journal.Plan, journal, _clock), seed, progress, cancellationToken);
    }

    private async Task<WipeResult> ExecuteAsync(WipeSession session, SecretBuffer seed, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        await _audit.BeginAsync(session);
        return await _audit.EndAsync(session, await session.RunAsync(seed, progress, cancellationToken));
    }

    private async Task<KeyErasure> EraseKeysAsync(WipeRequest request, CancellationToken cancellationToken)
    {
        // Everything that would refuse the passes refuses the key slots' end, too.
        await using (await TargetOpener.OpenAsync(request.Path, request.AllowLinks, null, cancellationToken))
        {
        }

        KeyErasure keys = await CryptoEraser.RunAsync(request.Path, request.HeaderPath, _clock, cancellationToken);
        await _audit.KeysErasedAsync(request, keys);
        return keys;
    }

    private async Task<WipeResult> DeleteOnlyAsync(WipeRequest request, WipeStandard standard, CancellationToken cancellationToken)
    {
        DateTimeOffset started = _clock.GetUtcNow();
        MediumFacts facts;
        await using (WipeTarget target = await TargetOpener.OpenAsync(request.Path, request.AllowLinks, null, cancellationToken))
        {
            facts = target.Facts.Kind == TargetKind.File
                ? target.Facts
                : throw new RefusedException(ErrorIds.WipeNotAllowed, $"The wipe policy allows '{request.Path}' to be deleted only, which a disk cannot be.");
        }

        Aftermath.Delete(facts.Path);
        return await _audit.DeletedAsync(request, new WipeResult
        {
            Target = facts,
            Status = WipeStatus.DeletedOnly,
            Standard = standard,
            Verify = VerifyMode.None,
            Passes = [],
            Findings = [new(FindingKind.NotErased, FindingWeight.Exception, "The policy allows no erasing: the file's blocks still hold its data.")],
            Started = started,
            Finished = _clock.GetUtcNow(),
            Map = new string(DiskMap.Untouched, 1),
            After = AfterWipe.Delete,
            VM = request.VM,
            Host = Operator.Host,
            Operator = Operator.Name,
        });
    }

    private async Task<PolicyDecision> DecideAsync(WipeRequest request, CancellationToken cancellationToken)
    {
        WipeStandards standards = await WipeStandards.LoadAsync(_configuration, cancellationToken);
        PolicyDecision decision = await _policies.DecideAsync(request, standards, cancellationToken);
        await _relations.RequireNoDependantsAsync(request, cancellationToken);
        return request.Blank ? decision with { Standard = decision.Standard.WithBlank() } : decision;
    }

    private string FindJournal(string path, string? statePath)
    {
        string full = TargetOpener.FullPath(path);
        string file = path.EndsWith(JournalPlace.Extension, StringComparison.Ordinal)
            ? full
            : JournalPlace.Of(TargetOpener.KindOf(full), full, statePath, _configuration);
        return File.Exists(file) ? file : throw new MissingException(ErrorIds.WipeJournalMissing, $"There is no journal '{file}' of a stopped wipe.");
    }

    private static long Work(long bytes, int passes, VerifyMode verify) => (bytes * passes) + verify switch
    {
        VerifyMode.None => 0,
        VerifyMode.LastPass => bytes,
        VerifyMode.AllPasses => bytes * passes,
        _ => bytes / SampleChoice.OneIn,
    };
}
