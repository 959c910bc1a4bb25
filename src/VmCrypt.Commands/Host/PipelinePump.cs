using System.Collections.Concurrent;

namespace VmCrypt.Commands.Host;

/// <summary>Runs a job off the pipeline thread and, until it has ended, does on that thread what the job posts.</summary>
/// <remarks>
/// The job is always joined: whatever happens here (a stop, an exception of a posted action), <see cref="Run"/> returns only
/// when the job has ended, so that no wipe or conversion goes on behind the user's back.
/// </remarks>
internal sealed class PipelinePump : IDisposable
{
    private readonly BlockingCollection<Action> _posted = [];

    /// <summary>Has the pipeline thread do something soon; from any thread, and without effect once the job has ended.</summary>
    public void Post(Action action)
    {
        try
        {
            _posted.TryAdd(action);
        }
        catch (InvalidOperationException)
        {
            // Adding was completed, or the pump disposed: the job is over, and so is what it had to say.
        }
    }

    public TResult Run<TResult>(Func<CancellationToken, Task<TResult>> job, CancellationToken stop)
    {
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task<TResult> running = Task.Run(() => job(cancellation.Token), CancellationToken.None);
        _ = running.ContinueWith(_ => _posted.CompleteAdding(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        try
        {
            foreach (Action action in _posted.GetConsumingEnumerable(CancellationToken.None))
            {
                action();
            }
        }
        catch
        {
            cancellation.Cancel();
            _ = Task.WhenAny(running).GetAwaiter().GetResult();
            throw;
        }

        return running.GetAwaiter().GetResult();
    }

    public void Dispose() => _posted.Dispose();
}
