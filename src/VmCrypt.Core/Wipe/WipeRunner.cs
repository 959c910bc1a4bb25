using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Journal;
using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Patterns;
using VmCrypt.Core.Wipe.Standards;
using VmCrypt.Core.Wipe.Targets;

namespace VmCrypt.Core.Wipe;

/// <summary>Begins wipes, and goes on with those that were stopped, once they are allowed.</summary>
/// <remarks>
/// Steps, and what a crash after each leaves: the target is opened and looked at (nothing); the journal is made (the next run
/// starts from the beginning, with the same seed); key slots are destroyed where the standard says so, and the journal knows
/// (before that, they are destroyed once more); then the passes, see <see cref="WipeRun"/>; the target gets its length back
/// (the journal knows it); it is deleted or trimmed; the journal is deleted (a journal without a target, which is refused).
/// </remarks>
internal sealed class WipeRunner(ConfigurationFolder configuration, WipeAudit audit, TimeProvider clock)
{
    /// <summary>Begins a wipe, or goes on with one of the same target and standard.</summary>
    /// <param name="open">Opens the target anew.</param>
    public async Task<WipeResult> RunAsync(
        TargetKind kind, WipeRequest request, WipeStandard standard, Func<ValueTask<WipeTarget>> open,
        IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        string file = JournalPlace.Of(kind, TargetOpener.FullPath(request.Path), request.StatePath, configuration);
        if (File.Exists(file) && !request.Restart)
        {
            return await GoOnAsync(file, journal =>
            {
                journal.RequireSame(standard, request.Verify);
                return Task.FromResult(request);
            }, progress, cancellationToken);
        }

        using SecretBuffer hostKey = await HostKey.LoadAsync(configuration, cancellationToken);
        Companions companions = await Companions.FindAsync(request, cancellationToken);
        using SecretBuffer seed = SecretBuffer.Random(PassSequence.SeedSize);
        WipeJournal journal;
        await using (WipeTarget target = await open())
        {
            RequirePlanned(request, target);
            WipeFinding[] known = [.. target.Findings, .. companions.Findings(request)];
            journal = WipeJournal.Create(file, JournalPlan.Of(target, request, standard, known, clock), seed, hostKey);
            if (!standard.CryptoErase)
            {
                await using (journal)
                {
                    return await ExecuteAsync(new WipeSession(target, request, journal, resumes: false, clock), seed, progress, cancellationToken);
                }
            }
        }

        // The header is changed by its own room, which opens the image itself.
        await using (journal)
        {
            return await GoOnAsync(journal, seed, request, resumes: false, progress, cancellationToken);
        }
    }

    /// <summary>Goes on with the wipe that the journal <paramref name="file"/> tells of.</summary>
    /// <param name="allow">Makes the request, or refuses.</param>
    public async Task<WipeResult> GoOnAsync(
        string file, Func<WipeJournal, Task<WipeRequest>> allow, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        using SecretBuffer hostKey = await HostKey.LoadAsync(configuration, cancellationToken);
        (WipeJournal journal, SecretBuffer seed) = await WipeJournal.OpenAsync(file, hostKey, cancellationToken);
        await using (journal)
        {
            using SecretBuffer owned = seed;
            return await GoOnAsync(journal, seed, await allow(journal), resumes: true, progress, cancellationToken);
        }
    }

    private async Task<WipeResult> GoOnAsync(
        WipeJournal journal, SecretBuffer seed, WipeRequest request, bool resumes, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        JournalPlan plan = journal.Plan;
        if (plan.Standard.CryptoErase && journal.State.Keys is null)
        {
            await EraseKeysAsync(journal, seed, request, cancellationToken);
        }

        await using WipeTarget target = plan.Kind == TargetKind.FreeSpace
            ? await FreeSpaceTarget.ReopenAsync(plan.Path, cancellationToken)
            : await TargetOpener.OpenAsync(plan.Path, request.AllowLinks, plan.Length, cancellationToken);
        journal.RequireTarget(target.Identity, target.Map);
        return await ExecuteAsync(new WipeSession(target, request, journal, resumes, clock), seed, progress, cancellationToken);
    }

    private async Task<WipeResult> ExecuteAsync(WipeSession session, SecretBuffer seed, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        await audit.BeginAsync(session);
        return await audit.EndAsync(session, await session.RunAsync(seed, progress, cancellationToken));
    }

    private async Task EraseKeysAsync(WipeJournal journal, SecretBuffer seed, WipeRequest request, CancellationToken cancellationToken)
    {
        KeyErasure keys;
        KeyCopy[] copies;
        try
        {
            await SaveAsync(journal, journal.State);
            (keys, copies) = await CryptoEraser.RunAsync(journal.Plan.Path, journal.Plan.HeaderPath, clock, cancellationToken);
        }
        catch (Exception refusal) when (refusal is VmCryptException and not DeviceFaultException)
        {
            // Nothing was changed, and there is nothing to go on with.
            await journal.DeleteAsync();
            throw;
        }

        // Key slots that were holes are storage now: what is to be covered is looked at anew.
        JournalPlan plan = journal.Plan;
        await using (WipeTarget target = await TargetOpener.OpenAsync(plan.Path, request.AllowLinks, null, CancellationToken.None))
        {
            journal.RequireIdentity(target.Identity);
            await journal.ReplanAsync(
                plan with
                {
                    Length = target.Facts.Length,
                    MapDigest = target.Map.Digest(),
                    PhysicalDigest = target.PhysicalDigest,
                    Known = [.. plan.Known, .. copies.Select(copy => CryptoEraser.Finding(copy, plan.Standard.Passes.Length > 0))],
                },
                seed);
        }

        await SaveAsync(journal, journal.State with { Keys = keys });
        await audit.KeysErasedAsync(request, keys);
    }

    // Without a journal the keys are destroyed all the same; the passes will say that it could not be kept.
    private static async Task SaveAsync(WipeJournal journal, RunState state)
    {
        try
        {
            await journal.SaveAsync(state, CancellationToken.None);
        }
        catch (DeviceFaultException)
        {
        }
    }

    private static void RequirePlanned(WipeRequest request, WipeTarget target)
    {
        if (request.PlannedIdentity is { } planned && planned != target.Identity)
        {
            throw new RefusedException(ErrorIds.WipeTargetReplaced,
                $"'{request.Path}' was {planned} when its wipe was planned, and is {target.Identity} now.");
        }
    }
}
