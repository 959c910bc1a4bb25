namespace VmCrypt.Core.Nbd;

/// <summary>What the connections of one server share.</summary>
/// <param name="impatient">Cancels what requests are doing.</param>
internal sealed class NbdServerContext(NbdServerOptions options, NbdExportTable exports, CancellationToken impatient)
{
    private readonly Dictionary<NbdServerConnection, int> _live = [];
    private NbdStatistics _past;
    private int _lastId;

    public NbdServerOptions Options { get; } = options;

    public NbdExportTable Exports { get; } = exports;

    public NbdBufferPool Buffers { get; } = new();

    public CancellationToken Impatient { get; } = impatient;

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

    /// <summary>Registers a client, or turns it away (null) when there are as many as allowed.</summary>
    public NbdServerConnection? TryAdd(NbdTransport transport)
    {
        lock (_live)
        {
            if (_live.Count >= Options.MaxConnections)
            {
                transport.Dispose();
                return null;
            }

            var connection = new NbdServerConnection(++_lastId, transport, this);
            _live.Add(connection, _lastId);
            return connection;
        }
    }

    public void Ended(NbdServerConnection connection)
    {
        lock (_live)
        {
            if (_live.Remove(connection))
            {
                _past += connection.Counters.Snapshot;
            }
        }
    }
}
