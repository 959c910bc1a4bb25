using VmCrypt.Core.Block.Nbd;

namespace VmCrypt.Core.Nbd;

/// <summary>A running NBD server.</summary>
public sealed class NbdServer : IAsyncDisposable
{
    /// <summary>The first export at the first address.</summary>
    public NbdUri Uri => Uris[0];

    /// <summary>Every export at every address.</summary>
    public IReadOnlyList<NbdUri> Uris => throw new NotSupportedException();

    /// <summary>Who is connected at this moment.</summary>
    public IReadOnlyList<NbdClientInfo> Clients => throw new NotSupportedException();

    /// <summary>What was done since the start, for all clients together.</summary>
    public NbdStatistics Statistics => throw new NotSupportedException();

    /// <summary>Ends when the server has stopped; faults when it could not go on.</summary>
    public Task Completion => throw new NotSupportedException();

    /// <summary>Listens on every address before it returns.</summary>
    public static Task<NbdServer> StartAsync(
        NbdServerOptions options, IReadOnlyList<NbdExport> exports, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Stops accepting, lets running requests finish, closes the connections and flushes the devices.</summary>
    /// <param name="cancellationToken">Ends the wait for running requests; the flush still happens.</param>
    public Task StopAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask DisposeAsync() => throw new NotSupportedException();
}
