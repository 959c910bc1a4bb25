using VmCrypt.Core.Audit;
using VmCrypt.Core.Block;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Journal;
using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Policy;
using VmCrypt.Core.Wipe.Standards;
using VmCrypt.Core.Wipe.Targets;

namespace VmCrypt.Core.Wipe;

/// <summary>Wipes disks under the policy of this host and writes down what it did. For many targets at once.</summary>
public sealed class WipeService
{
    private readonly ConfigurationFolder _configuration;
    private readonly WipeAudit _audit;
    private readonly WipeRunner _runner;
    private readonly WipePolicies _policies;
    private readonly ImageRelations _relations = new();
    private readonly TimeProvider _clock;

    public WipeService(ConfigurationFolder configuration, TimeProvider? clock = null)
    {
        _configuration = configuration;
        _clock = clock ?? TimeProvider.System;
        _audit = new WipeAudit(AuditLog.Of(configuration));
        _runner = new WipeRunner(configuration, _audit, _clock);
        _policies = new WipePolicies(configuration);
    }

    /// <summary>Finds out what a wipe would do; changes nothing.</summary>
    /// <remarks>Errors are those of <see cref="RunAsync"/>.</remarks>
    public async Task<WipePlan> PlanAsync(WipeRequest request, CancellationToken cancellationToken)
    {
        PolicyDecision decision = await DecideAsync(request, cancellationToken);
        WipeStandard standard = decision.Standard;
        VerifyMode verify = request.Verify ?? standard.Verify;
        Companions companions = await Companions.FindAsync(request, cancellationToken);
        await using WipeTarget target = await TargetOpener.OpenAsync(request.Path, request.AllowLinks, null, cancellationToken);
        string journal = JournalPlace.Of(target.Facts.Kind, target.Facts.Path, request.StatePath, _configuration);
        long work = decision.DeleteOnly ? 0 : Work(target.Map.TotalBytes, standard.Passes.Count, verify);
        return new WipePlan
        {
            Target = target.Facts,
            Identity = target.Identity,
            Standard = standard,
            Verify = verify,
            After = request.After,
            Findings = [.. target.Findings, .. companions.Findings(request)],
            WorkBytes = work,
            EstimatedTime = await SpeedProbe.EstimateAsync(target, work, request.BytesPerSecond, cancellationToken),
            JournalPath = File.Exists(journal) && !request.Restart ? journal : null,
            DeleteOnly = decision.DeleteOnly,
        };
    }

    /// <summary>Wipes a target, or goes on with a wipe of it that was stopped.</summary>
    /// <remarks>
    /// A cancel ends with a result, too: <see cref="WipeStatus.Interrupted"/>. So does a medium that fails:
    /// <see cref="WipeStatus.Failed"/>. What is refused before anything was changed throws.
    /// </remarks>
    /// <exception cref="RefusedException">A link, swap, the system's disk, an image that others are built on, another target than was planned, or the policy says no.</exception>
    /// <exception cref="DeviceBusyException">Mounted, held, or in use by a VM.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.FileNotFound"/>.</exception>
    public Task<WipeResult> RunAsync(WipeRequest request, IProgress<JobProgress>? progress, CancellationToken cancellationToken) =>
        _audit.RefusalsOfAsync(request, async () =>
        {
            PolicyDecision decision = await DecideAsync(request, cancellationToken);
            return decision.DeleteOnly
                ? await DeleteOnlyAsync(request, decision.Standard, cancellationToken)
                : await _runner.RunAsync(
                    TargetOpener.KindOf(request.Path), request, decision.Standard,
                    () => TargetOpener.OpenAsync(request.Path, request.AllowLinks, null, cancellationToken), progress, cancellationToken);
        });

    /// <summary>Goes on with the wipe that a journal tells of.</summary>
    /// <param name="path">The target, the folder whose free space it is, or the journal itself.</param>
    /// <param name="statePath">As it was given to the wipe.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.WipeJournalMissing"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.WipeJournalForeign"/>, <see cref="ErrorIds.WipeTargetWritten"/>.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WipeJournalKeyWrong"/>.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.WipeJournalDamaged"/>.</exception>
    public Task<WipeResult> ResumeAsync(string path, string? statePath, IProgress<JobProgress>? progress, CancellationToken cancellationToken) =>
        _audit.RefusalsOfAsync(new WipeRequest { Path = path }, () => _runner.GoOnAsync(
            FindJournal(path, statePath),
            async journal =>
            {
                WipeRequest request = journal.Plan.ToRequest();
                return journal.Plan.Kind == TargetKind.FreeSpace || !(await DecideAsync(request, cancellationToken)).DeleteOnly
                    ? request
                    : throw new RefusedException(ErrorIds.WipeNotAllowed, $"The wipe policy of this host no longer allows '{request.Path}' to be erased.");
            },
            progress,
            cancellationToken));

    /// <summary>The request itself and one for each file that belongs to its image and is to go along, in the order in which they can go.</summary>
    /// <remarks>
    /// Each names the others in <see cref="WipeRequest.Together"/>, for planning. Run it with those only that are erased by then:
    /// an image whose own wipe was refused still needs what it is built on.
    /// </remarks>
    public static async Task<IReadOnlyList<WipeRequest>> ExpandAsync(WipeRequest request, CancellationToken cancellationToken)
    {
        if (request.Include == WipeInclude.None)
        {
            return [request];
        }

        Companions companions = await Companions.FindAsync(request, cancellationToken);
        WipeRequest[] all =
        [
            request,
            .. companions.Files.Where(other => request.Include.HasFlag(other.Kind)).Select(other => ForCompanion(request, other.Kind, other.Path)).OfType<WipeRequest>(),
        ];
        string[] together = [.. all.Select(one => TargetOpener.FullPath(one.Path))];
        return [.. all.Select(one => one with { Include = WipeInclude.None, Together = together })];
    }

    /// <summary>Bytes of free space that a wipe would fill.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.FileNotFound"/>.</exception>
    public static long MeasureFreeSpace(FreeSpaceRequest request) => FreeSpaceFiles.Measure(Path.GetFullPath(request.Folder), request.ReserveBytes);

    /// <summary>Fills the free space of a file system but for a reserve, wipes it, and gives it back.</summary>
    /// <remarks>A stop keeps the files, so that nobody writes where it was wiped, and <see cref="ResumeAsync"/> goes on with the folder.</remarks>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.WipeStandardNeedsImage"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.FileNotFound"/>.</exception>
    public Task<WipeResult> RunFreeSpaceAsync(FreeSpaceRequest request, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        string folder = Path.GetFullPath(request.Folder);
        WipeRequest wipe = request.ToWipe(folder);
        return _audit.RefusalsOfAsync(wipe, () => request.Standard.CryptoErase
            ? throw new InvalidInputException(ErrorIds.WipeStandardNeedsImage, $"The standard {request.Standard.Name} destroys key slots, which free space has not.")
            : _runner.RunAsync(
                TargetKind.FreeSpace, wipe, request.Standard,
                async () => await FreeSpaceTarget.FillAsync(folder, request.ReserveBytes, cancellationToken), progress, cancellationToken));
    }

    // Only an image has key slots; what lies beside it gets the passes, if there are any.
    private static WipeRequest? ForCompanion(WipeRequest request, WipeInclude kind, string path) => request.Standard switch
    {
        { CryptoErase: true } standard when kind != WipeInclude.Backing => standard.Passes.Count == 0
            ? null
            : request with { Path = path, Standard = standard.WithoutKeys(), HeaderPath = null },
        _ => request with { Path = path, HeaderPath = null },
    };

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

        await _audit.DeletingAsync(request);
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
        TargetKind kind = Directory.Exists(full) ? TargetKind.FreeSpace : TargetOpener.KindOf(full);
        string file = path.EndsWith(JournalPlace.Extension, StringComparison.Ordinal) ? full : JournalPlace.Of(kind, full, statePath, _configuration);
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
