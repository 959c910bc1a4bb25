using System.Threading.Channels;
using VmCrypt.Core.Block;
using VmCrypt.Core.Wipe;

namespace VmCrypt.Commands.Wipe;

/// <summary>Runs several wipes at once and hands out what came of each as it ends.</summary>
internal sealed class ParallelWipes
{
    private readonly Channel<WipeOutcome> _ended = Channel.CreateUnbounded<WipeOutcome>();
    private readonly SharedProgress _progress;
    private readonly Task _running;

    public ParallelWipes(WipeService service, IReadOnlyList<WipeGroup> groups, int limit, CancellationToken stop)
    {
        _progress = new SharedProgress(groups.Sum(group => group.Requests.Count));
        _running = Task.Run(() => RunAsync(service, groups, limit, stop), CancellationToken.None);
    }

    /// <summary>The next one that ended; null when there are no more. A stop ends them all, and each still gives its outcome.</summary>
    public async ValueTask<WipeOutcome?> NextAsync(IProgress<JobProgress> progress)
    {
        _progress.Listener = progress;
        return await _ended.Reader.WaitToReadAsync() && _ended.Reader.TryRead(out WipeOutcome? outcome) ? outcome : null;
    }

    public void Join() => _running.GetAwaiter().GetResult();

    private async Task RunAsync(WipeService service, IReadOnlyList<WipeGroup> groups, int limit, CancellationToken stop)
    {
        var options = new ParallelOptions { MaxDegreeOfParallelism = limit };
        await Parallel.ForEachAsync(groups, options, async (group, _) =>
            await group.RunAsync(service, request => _progress.Of(request.Path), outcome => _ended.Writer.TryWrite(outcome), stop));
        _ended.Writer.Complete();
    }

    /// <summary>Adds up the progress of several jobs.</summary>
    private sealed class SharedProgress(int count)
    {
        private readonly Dictionary<string, JobProgress> _parts = [];

        public IProgress<JobProgress>? Listener { get; set; }

        public IProgress<JobProgress> Of(string name) => new Part(this, name);

        private void Report(string name, JobProgress value)
        {
            JobProgress sum;
            lock (_parts)
            {
                _parts[name] = value;
                sum = new JobProgress($"Wiping {count} targets", _parts.Values.Sum(part => part.DoneBytes), _parts.Values.Sum(part => part.TotalBytes))
                {
                    BeforeBytes = _parts.Values.Sum(part => part.BeforeBytes),
                    Detail = $"{_parts.Values.Count(part => part.DoneBytes == part.TotalBytes)} done",
                };
            }

            Listener?.Report(sum);
        }

        private sealed class Part(SharedProgress whole, string name) : IProgress<JobProgress>
        {
            public void Report(JobProgress value) => whole.Report(name, value);
        }
    }
}
