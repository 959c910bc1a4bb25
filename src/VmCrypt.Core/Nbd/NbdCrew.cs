using VmCrypt.Core.Block.Nbd;

namespace VmCrypt.Core.Nbd;

/// <summary>What the workers of one connection share: the turn to read, and the limits on how many they are and how much they hold.</summary>
/// <param name="running">Requests that all connections of the server work on at this moment.</param>
/// <param name="startWorker">Starts a worker that has been counted already; false where the system has no thread left.</param>
internal sealed class NbdCrew(NbdRunning running, Func<bool> startWorker)
{
    /// <summary>Requests of one connection that wait for a device at the same time.</summary>
    private const int MaxWorkers = 16;

    /// <summary>With this much data under way nobody reads another request.</summary>
    private const long MaxBytes = NbdLimits.MaxPayload;

    private readonly Lock _turn = new();
    private readonly NbdPace _pace = new();
    private int _workers = 1;
    private int _waiting;
    private int _busy;
    private long _bytes;

    /// <summary>Some worker has read a request whose answer is not sent.</summary>
    public bool IsBusy => Volatile.Read(ref _busy) > 0;

    public void BecameBusy() => Interlocked.Increment(ref _busy);

    public void BecameIdle() => Interlocked.Decrement(ref _busy);

    public void Begin(in NbdRequest request)
    {
        Interlocked.Add(ref _bytes, request.Length);
        running.Begin();
    }

    public void End(in NbdRequest request, long startTimestamp)
    {
        Interlocked.Add(ref _bytes, -request.Length);
        running.End();
        _pace.Sample(startTimestamp, request.Length);
    }

    /// <summary>Whether a second worker would help with a request that keeps a core busy, or with one that waits.</summary>
    public bool WantsHelp(in NbdRequest request) => _pace.IsSlow || (request.Length >= NbdPace.Large && running.LeavesCoreIdle);

    public void TakeTurn()
    {
        Interlocked.Increment(ref _waiting);
        _turn.Enter();
        Interlocked.Decrement(ref _waiting);
    }

    public void EndTurn() => _turn.Exit();

    /// <summary>Gives the turn to whoever waits for it, or to a new worker; false, and nothing given, when enough is under way.</summary>
    public bool TryPassTurn()
    {
        if (Volatile.Read(ref _bytes) > MaxBytes)
        {
            return false;
        }

        bool nobodyWaits = Volatile.Read(ref _waiting) == 0;
        _turn.Exit();
        if (nobodyWaits && !(Interlocked.Increment(ref _workers) <= MaxWorkers && startWorker()))
        {
            Interlocked.Decrement(ref _workers);
        }

        return true;
    }

    /// <summary>True for the last worker.</summary>
    public bool Leave() => Interlocked.Decrement(ref _workers) == 0;
}

/// <summary>Counts the requests that a server works on, to know whether a core is left for another.</summary>
internal sealed class NbdRunning
{
    private int _count;

    public bool LeavesCoreIdle => Volatile.Read(ref _count) < Environment.ProcessorCount;

    public void Begin() => Interlocked.Increment(ref _count);

    public void End() => Interlocked.Decrement(ref _count);
}
