using VmCrypt.Core.Block;
using VmCrypt.Core.Wipe;

namespace VmCrypt.Commands.Wipe;

/// <summary>What came of one of several wipes: a result, or why there is none.</summary>
internal sealed record WipeOutcome(WipeRequest Request, WipeResult? Result, Exception? Fault);

/// <summary>An image, and the files that are wiped along with it.</summary>
/// <remarks>
/// One after the other: what an image is built on goes only once the image itself is gone, and not at all where its wipe was
/// refused, has failed or was stopped.
/// </remarks>
internal sealed class WipeGroup(IReadOnlyList<WipeRequest> requests)
{
    public IReadOnlyList<WipeRequest> Requests => requests;

    /// <param name="progressOf">The progress of one request.</param>
    /// <param name="ended">Is told what came of each.</param>
    public async Task RunAsync(
        WipeService service, Func<WipeRequest, IProgress<JobProgress>> progressOf, Action<WipeOutcome> ended, CancellationToken stop)
    {
        var gone = new List<string>();
        foreach (WipeRequest request in requests)
        {
            if (stop.IsCancellationRequested || (gone.Count == 0 && request != requests[0]))
            {
                return;
            }

            WipeOutcome outcome = await TryAsync(service, request with { Together = [.. gone] }, progressOf(request), stop);
            ended(outcome);
            if (outcome.Result is { Status: WipeStatus.Erased or WipeStatus.ErasedWithExceptions or WipeStatus.DeletedOnly } result)
            {
                gone.Add(result.Path);
            }
        }
    }

    private static async Task<WipeOutcome> TryAsync(WipeService service, WipeRequest request, IProgress<JobProgress> progress, CancellationToken stop)
    {
        try
        {
            return new WipeOutcome(request, await service.RunAsync(request, progress, stop), null);
        }
        catch (Exception fault)
        {
            return new WipeOutcome(request, null, fault);
        }
    }
}
