using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Patterns;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Core.Wipe.Engine;

/// <summary>Where a run leaves its state, so that another can go on; a failure to do so does not stop a wipe.</summary>
internal interface IRunLedger
{
    ValueTask SaveAsync(RunState state, CancellationToken cancellationToken);
}

internal sealed record RunOptions
{
    /// <summary>The wipe in words, for progress.</summary>
    public string Activity { get; init; } = "Wiping";

    public VerifyMode Verify { get; init; } = VerifyMode.LastPass;

    /// <summary>0 for no limit.</summary>
    public long BytesPerSecond { get; init; }

    public bool Idle { get; init; }

    /// <summary>How often the target is flushed and the state saved within a pass.</summary>
    public TimeSpan SaveEvery { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>More bytes than this that cannot be written, or read, end the run.</summary>
    public long MaxBadBytes { get; init; } = 64 << 20;
}

/// <summary>Runs the passes over the ranges, from wherever the state stands.</summary>
/// <remarks>
/// Steps of a pass: chunks are written; every few seconds the target is flushed and the position up to which everything was
/// written <em>before</em> that flush is saved; at the end the target is flushed and, where asked for, read back. A crash in
/// between repeats at most the bytes since the last save, with the same content.
/// </remarks>
/// <param name="from">Where the run before this one has stopped.</param>
internal sealed class WipeRun(
    IWipeMedium medium, PassSequence passes, RunOptions options, IRunLedger ledger, TimeProvider clock, RunState? from = null)
{
    private const int DiskWorkers = 4;

    private readonly Throttle _throttle = new(options.BytesPerSecond, clock);
    private readonly SampleChoice _sample = new(passes.SampleKey);
    private readonly Defects _unwritable = new("cannot be written", from?.Unwritable ?? DefectList.None, options.MaxBadBytes);
    private readonly Defects _unreadable = new("cannot be read", from?.Unreadable ?? DefectList.None, options.MaxBadBytes);
    private readonly Defects _mismatched = new("holds other bytes than were written", from?.Mismatched ?? DefectList.None, long.MaxValue);
    private RunState _state = from ?? new RunState();
    private long? _bytesToVerify;
    private long? _resumedAt;
    private int _saving;
    private long _saved;
    private long _segment;
    private PassReport _atSegment = null!;

    /// <summary>The state as it stands, also after <see cref="RunAsync"/> has thrown.</summary>
    public RunState State => _state with { Unwritable = _unwritable.List, Unreadable = _unreadable.List, Mismatched = _mismatched.List };

    /// <summary>The state could not be saved at least once.</summary>
    public VmCryptException? LedgerFault { get; private set; }

    /// <summary>Saves the state before anything is changed: from then on a run that dies can be gone on with.</summary>
    public ValueTask BeginAsync(CancellationToken cancellationToken) => SaveAsync(cancellationToken);

    public async Task RunAsync(IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        _saved = clock.GetTimestamp();
        while (_state.Pass <= passes.Count)
        {
            if (!_state.Verifying)
            {
                await WriteAsync(progress, cancellationToken);
            }

            if (_state.Verifying)
            {
                await VerifyAsync(progress, cancellationToken);
            }
        }
    }

    private async Task WriteAsync(IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        int number = _state.Pass;
        if (_state.Passes.Length < number)
        {
            var report = new PassReport { Number = number, Content = passes.Describe(number), Started = clock.GetUtcNow() };
            _state = _state with { Passes = _state.Passes.Add(report) };
        }

        await PumpAsync(
            Chunks(),
            () => new WriteWorker(medium, passes.Open(number), _throttle, _unwritable),
            Meter(progress, "writing", _state.Position, medium.Map.TotalBytes),
            cancellationToken);

        await medium.Device.FlushAsync(cancellationToken);
        medium.CheckUnchanged();
        bool verify = MustVerify(number);
        Finish(verify);
        _state = _state with { Pass = verify ? number : number + 1, Verifying = verify, Position = 0 };
        await SaveIfDueAsync(cancellationToken);
    }

    private async Task VerifyAsync(IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        int number = _state.Pass;
        await medium.BypassCacheAsync(cancellationToken);
        IEnumerable<Chunk> chunks = ChunksToVerify(_state.Position);
        long total = BytesToVerify();
        await PumpAsync(
            chunks,
            () => new VerifyWorker(medium, passes.Open(number), _throttle, _unwritable, _unreadable, _mismatched),
            Meter(progress, "verifying", total - chunks.Sum(chunk => (long)chunk.Length), total),
            cancellationToken);

        medium.CheckUnchanged();
        Finish(verify: false);
        _state = _state with { Pass = number + 1, Verifying = false, Position = 0 };
        await SaveIfDueAsync(cancellationToken);
    }

    private RunMeter Meter(IProgress<JobProgress>? progress, string verb, long before, long total)
    {
        long work = WorkBefore();
        _resumedAt ??= work + before;
        string part = $"pass {_state.Pass} of {passes.Count}: {verb} {passes.Describe(_state.Pass)}";
        return new RunMeter(progress, options.Activity, part, before, total, work, WorkTotal(), _resumedAt.Value);
    }

    /// <summary>Bytes to be moved from the first pass to the last.</summary>
    private long WorkTotal() => (passes.Count * medium.Map.TotalBytes) + (options.Verify switch
    {
        VerifyMode.None => 0,
        VerifyMode.AllPasses => passes.Count * BytesToVerify(),
        _ => BytesToVerify(),
    });

    private long WorkBefore() => ((_state.Pass - 1) * (medium.Map.TotalBytes + (options.Verify == VerifyMode.AllPasses ? BytesToVerify() : 0)))
        + (_state.Verifying ? medium.Map.TotalBytes : 0);

    private long BytesToVerify() => _bytesToVerify ??= ChunksToVerify(0).Sum(chunk => (long)chunk.Length);

    private IEnumerable<Chunk> ChunksToVerify(long from)
    {
        IEnumerable<Chunk> chunks = medium.Map.ChunksFrom(from, ChunkPump.ChunkSize);
        return options.Verify == VerifyMode.Sample ? chunks.Where(chunk => _sample.Includes(chunk, medium.Map)) : chunks;
    }

    private IEnumerable<Chunk> Chunks() => medium.Map.ChunksFrom(_state.Position, ChunkPump.ChunkSize);

    private async Task PumpAsync(IEnumerable<Chunk> chunks, Func<IChunkWorker> make, RunMeter meter, CancellationToken cancellationToken)
    {
        using IEnumerator<Chunk> source = chunks.GetEnumerator();
        var frontier = new Frontier(source, _state.Position, WorkersFor(_state.Verifying, passes.IsRandom(_state.Pass)));
        _segment = clock.GetTimestamp();
        _atSegment = _state.Passes[^1];
        using var pump = new ChunkPump(frontier, options.Idle, cancellationToken);
        try
        {
            await pump.RunAsync(make, meter.Add, safe => AdvancedAsync(meter, safe, cancellationToken));
            Measure(meter.Done);
        }
        catch (OperationCanceledException)
        {
            // A stop loses nothing: what was written until now is flushed and remembered.
            await CheckpointAsync(frontier.Safe, meter.Done, CancellationToken.None);
            throw;
        }
    }

    // A disk's queue wants several requests at once. The page cache takes one copy at a time, so that there only making the bytes is shared out.
    private int WorkersFor(bool verifying, bool random) => medium.IsCached && !verifying
        ? random ? Math.Min(DiskWorkers, Environment.ProcessorCount) : 1
        : DiskWorkers;

    // Called by every worker; the one that finds a save due makes it, while the others go on.
    private async ValueTask AdvancedAsync(RunMeter meter, long safe, CancellationToken cancellationToken)
    {
        if (!IsSaveDue || Interlocked.CompareExchange(ref _saving, 1, 0) != 0)
        {
            return;
        }

        try
        {
            await CheckpointAsync(safe, meter.Done, cancellationToken);
        }
        finally
        {
            Interlocked.Exchange(ref _saving, 0);
        }
    }

    private async ValueTask CheckpointAsync(long safe, long done, CancellationToken cancellationToken)
    {
        if (!_state.Verifying)
        {
            await medium.Device.FlushAsync(cancellationToken);
        }

        Measure(done);
        _state = _state with { Position = safe };
        await SaveAsync(cancellationToken);
    }

    private bool IsSaveDue => clock.GetElapsedTime(Interlocked.Read(ref _saved)) >= options.SaveEvery;

    private ValueTask SaveIfDueAsync(CancellationToken cancellationToken) => IsSaveDue ? SaveAsync(cancellationToken) : ValueTask.CompletedTask;

    private async ValueTask SaveAsync(CancellationToken cancellationToken)
    {
        Interlocked.Exchange(ref _saved, clock.GetTimestamp());
        try
        {
            await ledger.SaveAsync(State, cancellationToken);
        }
        catch (DeviceFaultException fault)
        {
            // Resuming from an older state repeats work and harms nothing; stopping here would leave data.
            LedgerFault ??= fault;
        }
    }

    private bool MustVerify(int number) => options.Verify switch
    {
        VerifyMode.None => false,
        VerifyMode.AllPasses => true,
        _ => number == passes.Count,
    };

    // The report of the running pass, as of now: what it had when this segment began, and the segment.
    private void Measure(long done)
    {
        double seconds = clock.GetElapsedTime(_segment).TotalSeconds;
        PassReport report = _state.Verifying
            ? _atSegment with { VerifiedBytes = _atSegment.VerifiedBytes + done, VerifySeconds = _atSegment.VerifySeconds + seconds }
            : _atSegment with { WrittenBytes = _atSegment.WrittenBytes + done, WriteSeconds = _atSegment.WriteSeconds + seconds };
        _state = _state with { Passes = _state.Passes.SetItem(_state.Passes.Length - 1, report) };
    }

    private void Finish(bool verify)
    {
        if (!verify)
        {
            PassReport report = _state.Passes[^1] with { Finished = clock.GetUtcNow() };
            _state = _state with { Passes = _state.Passes.SetItem(_state.Passes.Length - 1, report) };
        }
    }
}
