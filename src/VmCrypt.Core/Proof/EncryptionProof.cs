using System.Diagnostics;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Proof.Walk;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Proof;

/// <summary>Finds out whether a disk is encrypted by looking at every byte that its files store.</summary>
/// <remarks>
/// Nothing is believed that can be seen: headers say what should be, the bytes say what is. What the test can prove, and what no
/// test can, is told in docs/proof.md. It only reads.
/// </remarks>
public static class EncryptionProof
{
    /// <summary>Findings of each kind that are kept of each layer.</summary>
    public const int MaxFindings = 50;

    /// <summary>Tests the disk and all that is behind it. An image that a VM is writing is read all the same, and marked.</summary>
    /// <param name="keys">What opens the layers, borrowed; null to go by what shows without a key.</param>
    /// <exception cref="WrongKeyException">The key does not open the active image.</exception>
    /// <exception cref="VmCryptException">The image cannot be opened: as <see cref="DiskStack.OpenAsync"/>.</exception>
    public static async ValueTask<ImageProof> RunAsync(
        DiskLocation location, DiskOpenOptions opening, DiskKeys? keys, ProofOptions options, IProgress<JobProgress> progress, CancellationToken cancellationToken)
    {
        opening = opening with { Writable = false };
        try
        {
            return await RunOpenAsync(location, opening, keys, options, progress, cancellationToken);
        }
        catch (DeviceBusyException busy) when (busy.ErrorId == ErrorIds.ImageInUse && !opening.ForceShare)
        {
            return await RunOpenAsync(location, opening with { ForceShare = true }, keys, options, progress, cancellationToken) with { InUse = true };
        }
    }

    /// <summary>The record of a disk that could not be tested, for an inventory that goes on.</summary>
    public static ImageProof Unreadable(string path, VmCryptException reason) => new()
    {
        Path = path,
        Verdict = ProofVerdict.Unreadable,
        Confidence = ProofConfidence.None,
        Summary = reason.Message,
        Unusable = reason,
    };

    private static async ValueTask<ImageProof> RunOpenAsync(
        DiskLocation location, DiskOpenOptions opening, DiskKeys? keys, ProofOptions options, IProgress<JobProgress> progress, CancellationToken cancellationToken)
    {
        try
        {
            await using DiskStack disk = await DiskStack.OpenAsync(location, opening, cancellationToken);
            return await RunAsync(disk, keys, options, progress, missing: null, cancellationToken);
        }
        catch (VmCryptException missing) when (!opening.HeadersOnly && ImageInspector.IsAboutOtherFiles(missing))
        {
            await using DiskStack disk = await DiskStack.OpenAsync(location, opening with { HeadersOnly = true }, cancellationToken);
            return await RunAsync(disk, keys, options, progress, missing, cancellationToken);
        }
    }

    private static async ValueTask<ImageProof> RunAsync(
        DiskStack disk, DiskKeys? keys, ProofOptions options, IProgress<JobProgress> progress, VmCryptException? missing, CancellationToken cancellationToken)
    {
        DateTimeOffset started = DateTimeOffset.Now;
        long clock = Stopwatch.GetTimestamp();
        var notes = new ProofNotes { KeysGiven = keys is not null, Full = options.Full, Missing = missing };
        List<ProofLayer> layers = await LayerPlan.OfAsync(disk.Active, cancellationToken);
        try
        {
            if (keys is not null)
            {
                await LayerKeys.OpenAsync(disk.Active, layers, keys, notes, cancellationToken);
            }

            List<(ProofLayer Layer, LayerTally Tally)> walked = [];
            foreach (ProofLayer layer in layers)
            {
                walked.Add((layer, await new LayerWalk(layer, options, progress).RunAsync(cancellationToken)));
            }

            return Judgement.Of(disk, walked, notes) with
            {
                Seed = options.Seed,
                Started = started,
                Duration = Stopwatch.GetElapsedTime(clock),
            };
        }
        finally
        {
            foreach (ProofLayer layer in layers)
            {
                layer.Key?.Dispose();
            }
        }
    }
}
