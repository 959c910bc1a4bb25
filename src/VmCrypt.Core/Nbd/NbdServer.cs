using System.Net.Sockets;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Nbd;

/// <summary>A running NBD server: any number of clients, each on threads of its own, all on the same devices.</summary>
/// <remarks>
/// Memory: the requests of all clients share one limit, and those of one client hold at most 64 MiB of it. A client that
/// sends nonsense, nothing, or reads no answers holds its own threads and nobody else's; one that also holds memory which
/// others wait for is dropped.
/// </remarks>
public sealed class NbdServer : IAsyncDisposable
{
    private readonly NbdServerContext _context;
    private readonly List<NbdListener> _listeners;
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _impatient;
    private readonly Task[] _accepting;
    private readonly CancellationTokenSource _stopLooking = new();
    private readonly Task _looking;
    private int _stopped;

    private NbdServer(NbdServerContext context, List<NbdListener> listeners, CancellationTokenSource impatient)
    {
        _context = context;
        _impatient = impatient;
        _listeners = listeners;
        Uris = [.. listeners.SelectMany(listener => context.Exports.All.Select(export => new NbdUri(listener.Address, export.Name) { Tls = context.Options.Tls == NbdTlsMode.Require ? new NbdTls() : null }))];
        Revocation = context.Options.Authorization is { } authorization ? new NbdRevocation(authorization, context) : null;
        _looking = Revocation?.RunAsync(context.Options.AuthorizationInterval, _stopLooking.Token) ?? Task.CompletedTask;
        _accepting = [.. listeners.Select(listener => listener.AcceptAsync(Accept))];
    }

    /// <summary>The first export at the first address.</summary>
    public NbdUri Uri => Uris[0];

    /// <summary>Every export at every address.</summary>
    public IReadOnlyList<NbdUri> Uris { get; }

    /// <summary>Who is connected at this moment.</summary>
    public IReadOnlyList<NbdClientInfo> Clients => [.. _context.Live.Select(connection => connection.Info)];

    /// <summary>What was done since the start, for all clients together.</summary>
    public NbdStatistics Statistics => _context.Statistics;

    /// <summary>Bytes that requests hold at this moment.</summary>
    public long Memory => _context.Buffers.Lent;

    /// <summary>Null without rules.</summary>
    internal NbdRevocation? Revocation { get; }

    /// <summary>Ends when the server has stopped; faults when the last flush failed.</summary>
    public Task Completion => _completion.Task;

    /// <summary>Listens on every address before it returns.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.InvalidParameter"/>: no address, no export, or one that NBD cannot express.</exception>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.NbdAddressInUse"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.NbdPlainRefused"/>.</exception>
    public static async Task<NbdServer> StartAsync(
        NbdServerOptions options, IReadOnlyList<NbdExport> exports, CancellationToken cancellationToken)
    {
        Require(options);
        var table = new NbdExportTable([.. exports]);
        List<NbdListener> listeners = [.. options.Sockets.Select(NbdListener.Adopt)];
        try
        {
            foreach (NbdAddress address in options.Listen)
            {
                listeners.Add(await NbdListener.BindAsync(address, cancellationToken));
            }

            RequireTls(options, listeners);
        }
        catch
        {
            listeners.ForEach(listener => listener.Dispose());
            throw;
        }

        var impatient = new CancellationTokenSource();
        return new NbdServer(new NbdServerContext(options, table, impatient.Token), listeners, impatient);
    }

    /// <summary>Stops accepting, lets running requests finish, closes the connections and flushes the devices.</summary>
    /// <remarks>Requests that come in meanwhile are answered with ESHUTDOWN. Calling it again waits for the first call.</remarks>
    /// <param name="cancellationToken">Ends the wait for running requests at once; the flush still happens.</param>
    /// <exception cref="DeviceFaultException">A device could not be flushed: what clients were told is written may not be.</exception>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenRegistration hurry = cancellationToken.UnsafeRegister(static state => ((CancellationTokenSource)state!).Cancel(), _impatient);
        if (Interlocked.Exchange(ref _stopped, 1) == 0)
        {
            try
            {
                await StopConnectionsAsync();
                await ReleaseDevicesAsync();
                _completion.SetResult();
            }
            catch (Exception fault)
            {
                _completion.SetException(fault);
            }
        }

        await Completion;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(CancellationToken.None);
        _impatient.Dispose();
        _stopLooking.Dispose();
    }

    private static void Require(NbdServerOptions options)
    {
        if (options.Listen.Count + options.Sockets.Count == 0)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "An NBD server needs at least one address.");
        }

        if (options.MaxConnections < 1 || options.MaxConnectionsPerAddress < 1 || options.MaxHandshakes < 1 || options.MemoryLimit < 2L * NbdLimits.MaxPayload)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, $"An NBD server needs limits of at least one client and {2 * NbdLimits.MaxPayload} bytes.");
        }

        if (options.Tls != NbdTlsMode.Off && options.Credentials is null)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "An NBD server needs credentials for TLS.");
        }

        if (options.Authorization is not null && options is not { Tls: NbdTlsMode.Require, Credentials.IdentifiesClients: true })
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "An authorisation needs TLS that is required, and clients that prove who they are.");
        }
    }

    // Judged by what is bound, not by what was written: a name may resolve to anything.
    private static void RequireTls(NbdServerOptions options, List<NbdListener> listeners)
    {
        if (options.Tls != NbdTlsMode.Require && !options.PlainForOthers && listeners.Find(listener => listener.IsOpenToOthers) is { } open)
        {
            throw new RefusedException(ErrorIds.NbdPlainRefused,
                $"Others can reach {open.Address}, and would read the plain disk without TLS; require TLS, or say that it may be served in clear.");
        }
    }

    private async Task StopConnectionsAsync()
    {
        _listeners.ForEach(listener => listener.Dispose());
        await _stopLooking.CancelAsync();
        await Task.WhenAll([_looking, .. _accepting]);
        _impatient.CancelAfter(_context.Options.StopTimeout);
        await Task.WhenAll(_context.Live.Select(connection => connection.StopAsync()));
        _context.Buffers.Dispose();
    }

    // All of them, whatever becomes of one.
    private Task ReleaseDevicesAsync() => Task.WhenAll(_context.Exports.All.Select(export => export.Device).Distinct().Select(ReleaseAsync));

    private async Task ReleaseAsync(IBlockDevice device)
    {
        try
        {
            if (device.Traits.CanWrite)
            {
                await device.FlushAsync(CancellationToken.None);
            }
        }
        finally
        {
            if (_context.Options.OwnsDevices)
            {
                await device.DisposeAsync();
            }
        }
    }

    private void Accept(Socket socket)
    {
        try
        {
            _context.TryAdd(new NbdTransport(socket))?.Start();
        }
        catch (SocketException)
        {
            // The client was gone before its socket could be set up.
            socket.Dispose();
        }
    }
}
