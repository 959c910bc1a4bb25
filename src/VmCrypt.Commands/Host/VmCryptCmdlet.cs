using System.Management.Automation;
using VmCrypt.Core.Block;

namespace VmCrypt.Commands.Host;

/// <summary>What every command is made of: it says everything through <see cref="Shell"/>, and runs the engine by <c>Run</c>.</summary>
/// <remarks>
/// A command settles paths, confirmations and secrets on the pipeline thread, then goes async. What it throws becomes an error of
/// the record at hand (from <see cref="Process"/>) or of the whole command (from <see cref="Begin"/> and <see cref="End"/>);
/// a stop becomes <see cref="PipelineStoppedException"/>, never an error.
/// </remarks>
public abstract partial class VmCryptCmdlet : PSCmdlet, IDisposable
{
    private readonly CancellationTokenSource _stop = new();

    private protected CancellationToken StopToken => _stop.Token;

    private protected virtual void Begin()
    {
    }

    /// <summary>Handles one record of the pipeline, or the only one.</summary>
    private protected abstract void Process();

    private protected virtual void End()
    {
    }

    /// <summary>Runs one job of the engine and returns when it has ended, also after a stop; shows its progress meanwhile.</summary>
    private protected TResult Run<TResult>(Func<IProgress<JobProgress>, CancellationToken, ValueTask<TResult>> job)
    {
        using var pump = new PipelinePump();
        bool shown = false;
        var meter = new ProgressMeter(report => pump.Post(() => Show(report)), TimeProvider.System);
        try
        {
            return pump.Run(token => job(meter, token).AsTask(), StopToken);
        }
        finally
        {
            if (shown && !StopToken.IsCancellationRequested)
            {
                Shell.WriteProgress(ProgressReport.Completed);
            }
        }

        void Show(ProgressReport report)
        {
            shown = true;
            Shell.WriteProgress(report);
        }
    }

    private protected TResult Run<TResult>(Func<CancellationToken, ValueTask<TResult>> job) => Run((_, token) => job(token));

    private protected void Run(Func<IProgress<JobProgress>, CancellationToken, ValueTask> job) => _ = Run(async (progress, token) =>
    {
        await job(progress, token);
        return true;
    });

    private protected void Run(Func<CancellationToken, ValueTask> job) => Run((_, token) => job(token));

    /// <summary>Does <paramref name="work"/> on one thing; a failure is reported against that thing and does not keep the next from its turn.</summary>
    private protected void Attempt(object? target, Action work)
    {
        try
        {
            work();
        }
        catch (OperationCanceledException) when (StopToken.IsCancellationRequested)
        {
            throw new PipelineStoppedException();
        }
        catch (Exception exception) when (ErrorRecords.TryFrom(exception, target, out ErrorRecord? error))
        {
            Shell.WriteError(error);
        }
    }

    protected sealed override void BeginProcessing()
    {
        ((this as IDynamicParameters)?.GetDynamicParameters() as ParameterGroups)?.Take();
        AttemptWhole(Begin);
    }

    protected sealed override void ProcessRecord() => Attempt(target: null, Process);

    protected sealed override void EndProcessing() => AttemptWhole(End);

    /// <summary>Called from another thread while the pipeline thread is at work.</summary>
    protected sealed override void StopProcessing() => _stop.Cancel();

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Wipes what the command owns.</summary>
    protected virtual void Dispose(bool disposing) => _stop.Dispose();

    private void AttemptWhole(Action work)
    {
        try
        {
            work();
        }
        catch (OperationCanceledException) when (StopToken.IsCancellationRequested)
        {
            throw new PipelineStoppedException();
        }
        catch (Exception exception) when (ErrorRecords.TryFrom(exception, target: null, out ErrorRecord? error))
        {
            Shell.Fail(error);
        }
    }
}
