using VmCrypt.Core.Block;

namespace VmCrypt.Core.Proof.Walk;

/// <summary>Goes through one layer, several steps at a time, and adds them up in order.</summary>
internal sealed class LayerWalk(ProofLayer layer, ProofOptions options, IProgress<JobProgress> progress)
{
    private const int Sector = 512;

    // One more than are at work, so that the next is read while these are looked at.
    private static readonly int s_depth = Math.Clamp(Environment.ProcessorCount, 1, 8) + 1;

    private readonly Stack<StepWorker> _idle = new();

    public async ValueTask<LayerTally> RunAsync(CancellationToken cancellationToken)
    {
        long stored = await StoredBytesAsync(cancellationToken);
        var marks = new SectorMarks(stored / Sector, layer.IvIsOfHost);
        var samples = new SampleChoice(options.Seed, stored / Content.BlockJudge.BlockSize, options.Full);
        var tally = new LayerTally(layer, marks);
        var running = new Queue<(StepWorker Worker, Task<StepResult> Result, WalkStep Step)>();
        try
        {
            await foreach (WalkStep step in WalkStep.ThroughAsync(layer, cancellationToken))
            {
                if (step.Storage != ExtentKind.Data || !WalkStep.NeedsReading(step.Areas[0].Use))
                {
                    tally.Skip(step);
                    continue;
                }

                if (running.Count == s_depth)
                {
                    await TakeAsync();
                }

                StepWorker worker = _idle.Count > 0 ? _idle.Pop() : new StepWorker(layer, marks, samples);
                running.Enqueue((worker, Task.Run(() => worker.RunAsync(step, cancellationToken).AsTask(), cancellationToken), step));
            }

            while (running.Count > 0)
            {
                await TakeAsync();
            }
        }
        finally
        {
            // The layer's file may be closed once this returns.
            await Task.WhenAll(running.Select(step => (Task)step.Result)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        tally.NoteDefects();
        return tally;

        async ValueTask TakeAsync()
        {
            (StepWorker worker, Task<StepResult> result, WalkStep step) = running.Dequeue();
            tally.Add(await result);
            _idle.Push(worker);
            progress.Report(new JobProgress($"Testing {Path.GetFileName(layer.Location.Text)}", step.Offset + step.Length, layer.File.Length));
        }
    }

    private async ValueTask<long> StoredBytesAsync(CancellationToken cancellationToken)
    {
        long stored = 0;
        await foreach (Extent extent in layer.File.ExtentsAsync(0, layer.File.Length, cancellationToken))
        {
            stored += extent.Kind == ExtentKind.Data ? extent.Length : 0;
        }

        return stored;
    }
}
