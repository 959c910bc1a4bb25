using System.Runtime.ExceptionServices;

namespace VmCrypt.Core.Wipe.Engine;

/// <summary>Does one kind of work on a chunk; each worker thread has its own.</summary>
internal interface IChunkWorker : IDisposable
{
    ValueTask DoAsync(Chunk chunk, CancellationToken cancellationToken);
}

/// <summary>Runs chunks through several workers, so that one prepares its bytes while the medium takes another's.</summary>
/// <remarks>Workers have threads of their own: local devices complete on the caller's thread, and only a thread of ours may be made idle.</remarks>
internal sealed class ChunkPump(Frontier frontier, bool idle, CancellationToken cancellationToken) : IDisposable
{
    /// <summary>Bytes of a chunk.</summary>
    public const int ChunkSize = 1 << 20;

    private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
    private ExceptionDispatchInfo? _fault;

    /// <param name="make">Makes one worker.</param>
    /// <param name="done">Counts the bytes of a chunk, before the frontier moves: so no position that is saved runs ahead of the count.</param>
    /// <param name="advanced">Called by each worker after each chunk with the position up to which all is done.</param>
    public async Task RunAsync(Func<IChunkWorker> make, Action<int> done, Func<long, ValueTask> advanced)
    {
        // Who waits goes on elsewhere: a worker's thread ends, and may be an idle one.
        const TaskCreationOptions ownThread = TaskCreationOptions.LongRunning | TaskCreationOptions.RunContinuationsAsynchronously;
        await Task.WhenAll(Enumerable.Range(0, frontier.Workers).Select(worker => Task.Factory.StartNew(
            () => Work(worker, make, done, advanced), CancellationToken.None, ownThread, TaskScheduler.Default)));
        _fault?.Throw();
        cancellationToken.ThrowIfCancellationRequested();
    }

    public void Dispose() => _stop.Dispose();

    private void Work(int worker, Func<IChunkWorker> make, Action<int> done, Func<long, ValueTask> advanced)
    {
        if (idle)
        {
            IdlePriority.ApplyToThread();
        }

        try
        {
            WorkAsync(worker, make, done, advanced).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Whoever cancelled, or the worker that failed, has the reason.
        }
        catch (Exception fault)
        {
            Interlocked.CompareExchange(ref _fault, ExceptionDispatchInfo.Capture(fault), null);
            _stop.Cancel();
        }
    }

    private async Task WorkAsync(int worker, Func<IChunkWorker> make, Action<int> done, Func<long, ValueTask> advanced)
    {
        using IChunkWorker hands = make();
        Chunk? chunk = frontier.Next(worker);
        while (chunk is { } work)
        {
            _stop.Token.ThrowIfCancellationRequested();
            await hands.DoAsync(work, _stop.Token);
            done(work.Length);
            chunk = frontier.Next(worker);
            await advanced(frontier.Safe);
        }
    }
}
