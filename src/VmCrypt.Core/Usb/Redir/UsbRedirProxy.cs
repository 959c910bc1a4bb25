using System.Net.Sockets;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Lists;

namespace VmCrypt.Core.Usb.Redir;

/// <summary>One side of a proxy: an address to listen on, or to connect to.</summary>
public sealed record UsbRedirSideOptions(StreamEndpoint Endpoint, bool Listen)
{
    public override string ToString() => Listen ? $"listen:{Endpoint}" : Endpoint.ToString();
}

/// <summary>What a proxy stands between.</summary>
/// <param name="Vm">Whose list counts.</param>
/// <param name="Host">The side that has devices: usbredirect, a client.</param>
/// <param name="Guest">QEMU's side.</param>
public sealed record UsbRedirProxyOptions(VmIdentity Vm, UsbRedirSideOptions Host, UsbRedirSideOptions Guest);

/// <summary>A firewall for usbredir between a host of devices and QEMU; one connection after the other, until it is disposed.</summary>
public sealed class UsbRedirProxy : IAsyncDisposable
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(200);

    private readonly UsbRedirProxyOptions _options;
    private readonly UsbPolicy _policy;
    private readonly TimeProvider _clock;
    private readonly Action<UsbEvent> _report;
    private readonly CancellationTokenSource _stop = new();
    private readonly Side _host;
    private readonly Side _guest;
    private readonly Task _running;
    private volatile UsbredirSession? _session;

    /// <param name="report">Told of every event; from many threads, and never to wait in.</param>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.UsbredirUnreachable"/>: an address cannot be listened on.</exception>
    public UsbRedirProxy(UsbPolicy policy, UsbRedirProxyOptions options, Action<UsbEvent> report, TimeProvider? clock = null)
    {
        _policy = policy;
        _options = options;
        _report = report;
        _clock = clock ?? TimeProvider.System;
        _host = new Side(options.Host);
        try
        {
            _guest = new Side(options.Guest);
        }
        catch
        {
            _host.Dispose();
            throw;
        }

        policy.Changed += OnListsChanged;
        _running = Task.Run(RunAsync);
    }

    public UsbRedirProxyOptions Options => _options;

    /// <summary>The device that the guest sees through the proxy now.</summary>
    public UsbDeviceDescription? Shown => _session?.Shown;

    public async ValueTask DisposeAsync()
    {
        _policy.Changed -= OnListsChanged;
        await _stop.CancelAsync();
        await _running;
        _host.Dispose();
        _guest.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await ServeAsync();
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (SocketException fault)
            {
                Report(UsbEventKind.Trouble, $"a connection cannot be had: {fault.Message}");
                await Task.Delay(s_pause, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task ServeAsync()
    {
        // QEMU is connected to when there is somebody to connect it with; where it comes by itself, it may come first.
        using Socket host = await _host.NextAsync(_stop.Token);
        using Socket guest = await _guest.NextAsync(_stop.Token);
        var session = new UsbredirSession(host, guest, _options.Vm, _options.Host.ToString(), _policy, _clock, _report);
        _session = session;
        try
        {
            string reason = await session.RunAsync(_stop.Token);
            Report(UsbEventKind.Unplugged, $"the connection has ended: {reason}");
        }
        finally
        {
            _session = null;
        }
    }

    private void OnListsChanged(object? sender, UsbPolicyChangedEventArgs change) => _session?.Recheck(change.Timestamp);

    private void Report(UsbEventKind kind, string reason) =>
        _report(new UsbEvent(_clock.GetUtcNow(), kind, reason) { Vm = _options.Vm, Channel = _options.Host.ToString() });

    private sealed class Side : IDisposable
    {
        private readonly UsbRedirSideOptions _options;
        private readonly Socket? _listener;

        public Side(UsbRedirSideOptions options)
        {
            _options = options;
            if (!options.Listen)
            {
                return;
            }

            _listener = options.Endpoint.NewSocket();
            try
            {
                options.Endpoint.RemoveStale();
                _listener.Bind(options.Endpoint.Address);
                _listener.Listen(1);
            }
            catch (Exception fault) when (fault is SocketException or IOException or UnauthorizedAccessException)
            {
                _listener.Dispose();
                throw new DeviceFaultException(ErrorIds.UsbredirUnreachable, $"The address {options.Endpoint} cannot be listened on: {fault.Message}", fault);
            }
        }

        public async Task<Socket> NextAsync(CancellationToken cancellationToken)
        {
            while (true)
            {
                try
                {
                    return _listener is not null ? Tuned(await _listener.AcceptAsync(cancellationToken)) : await ConnectAsync(cancellationToken);
                }
                catch (SocketException)
                {
                    // The other side is not up yet, or not any more.
                    await Task.Delay(s_pause, cancellationToken);
                }
            }
        }

        public void Dispose()
        {
            _listener?.Dispose();
            if (_listener is not null)
            {
                _options.Endpoint.RemoveStale();
            }
        }

        private static Socket Tuned(Socket socket)
        {
            if (socket.ProtocolType == ProtocolType.Tcp)
            {
                socket.NoDelay = true;
            }

            return socket;
        }

        private async Task<Socket> ConnectAsync(CancellationToken cancellationToken)
        {
            // By a blocking call, for the session's sake; disposing it wakes it up.
            Socket socket = _options.Endpoint.NewSocket();
            await using CancellationTokenRegistration end = cancellationToken.Register(socket.Dispose);
            try
            {
                await Task.Run(() => socket.Connect(_options.Endpoint.Address), CancellationToken.None);
                return socket;
            }
            catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
            {
                socket.Dispose();
                cancellationToken.ThrowIfCancellationRequested();
                throw new SocketException((int)SocketError.NotConnected, fault.Message);
            }
        }
    }
}
