namespace VmCrypt.Core.Nbd;

/// <summary>What the connections of one server share, and who may be one.</summary>
/// <remarks>
/// Clients in their handshake are counted apart: otherwise those who connect and say nothing would take the places of those
/// who work. Where they are too many, the oldest of the address that has most of them goes.
/// </remarks>
internal sealed class NbdServerContext
{
    private readonly Dictionary<NbdServerConnection, int> _live = [];
    private readonly List<NbdServerConnection> _greeting = [];
    private readonly HashSet<NbdServerConnection> _admitted = [];
    private NbdStatistics _past;
    private int _lastId;

    /// <param name="impatient">Cancels what requests are doing.</param>
    public NbdServerContext(NbdServerOptions options, NbdExportTable exports, CancellationToken impatient)
    {
        Options = options;
        Exports = exports;
        Impatient = impatient;
        Buffers = new NbdBufferPool(options.MemoryLimit, options.StallTimeout, EndLongestStall);
    }

    public NbdServerOptions Options { get; }

    public NbdExportTable Exports { get; }

    public NbdBufferPool Buffers { get; }

    public CancellationToken Impatient { get; }

    public NbdRunning Running { get; } = new();

    public IReadOnlyList<NbdServerConnection> Live
    {
        get
        {
            lock (_live)
            {
                return [.. _live.Keys.OrderBy(connection => _live[connection])];
            }
        }
    }

    /// <summary>Those that have ended and those that are connected.</summary>
    public NbdStatistics Statistics
    {
        get
        {
            lock (_live)
            {
                return _live.Keys.Aggregate(_past, (sum, connection) => sum + connection.Counters.Snapshot);
            }
        }
    }

    /// <summary>Registers a client that is to be greeted, or turns it away (null) when there are as many as allowed.</summary>
    public NbdServerConnection? TryAdd(NbdTransport transport)
    {
        NbdServerConnection connection;
        NbdServerConnection? crowdedOut = null;
        lock (_live)
        {
            if (!HasPlace(transport.Host))
            {
                transport.Dispose();
                return null;
            }

            connection = new NbdServerConnection(++_lastId, transport, this);
            _live.Add(connection, _lastId);
            _greeting.Add(connection);
            if (_greeting.Count > Options.MaxHandshakes)
            {
                crowdedOut = _greeting.GroupBy(greeted => greeted.Host, StringComparer.Ordinal).MaxBy(group => group.Count())!.First();
                _greeting.Remove(crowdedOut);
            }
        }

        crowdedOut?.Transport.Break();
        return connection;
    }

    /// <summary>The handshake is over; false when the places were taken meanwhile.</summary>
    public bool TryAdmit(NbdServerConnection connection)
    {
        lock (_live)
        {
            return _greeting.Remove(connection) && HasPlace(connection.Host) && _admitted.Add(connection);
        }
    }

    public void Ended(NbdServerConnection connection)
    {
        lock (_live)
        {
            _greeting.Remove(connection);
            _admitted.Remove(connection);
            if (_live.Remove(connection))
            {
                _past += connection.Counters.Snapshot;
            }
        }
    }

    private bool HasPlace(string host) => _admitted.Count < Options.MaxConnections
        && (host.Length == 0 || Options.MaxConnectionsPerAddress is not { } most || _admitted.Count(admitted => admitted.Host == host) < most);

    /// <summary>Requests wait for memory: the client that has moved nothing for longest, and for long enough, gives its own back.</summary>
    private void EndLongestStall()
    {
        long limit = Environment.TickCount64 - (long)Options.StallTimeout.TotalMilliseconds;
        NbdServerConnection? longest = Live.Where(connection => connection.Transport.StalledSince <= limit).MinBy(connection => connection.Transport.StalledSince);
        longest?.EndStall();
    }
}
