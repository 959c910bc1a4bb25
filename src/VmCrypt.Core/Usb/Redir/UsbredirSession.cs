using System.Buffers;
using System.Net.Sockets;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Lists;

namespace VmCrypt.Core.Usb.Redir;

/// <summary>One usbredir connection through the firewall: the class that holds its two sockets.</summary>
/// <remarks>
/// A pump for each direction waits until its bytes are sent before it reads more, so that neither side can flood the other. Each is
/// a thread that blocks: a stick's transfers are short questions and answers, and a thread wakes once where a continuation needs two.
/// The sockets must never have seen an asynchronous call, after which .NET only imitates blocking.
/// </remarks>
internal sealed class UsbredirSession : IDisposable
{
    private const int ChunkSize = 256 * 1024;

    /// <summary>How long an end may take to say hello; whoever never does would keep others away.</summary>
    private static readonly TimeSpan s_helloPatience = TimeSpan.FromSeconds(30);

    private readonly Outlet _host;
    private readonly Outlet _guest;
    private readonly UsbredirFirewall _firewall;
    private readonly Lock _gate = new();
    private readonly List<UsbEvent> _pending = [];
    private readonly TimeProvider _clock;
    private readonly Action<UsbEvent> _report;
    private readonly string _channel;
    private readonly VmIdentity _vm;
    private long _changedAt;
    private int _changes;

    public UsbredirSession(Socket host, Socket guest, VmIdentity vm, string channel, UsbPolicy policy, TimeProvider clock, Action<UsbEvent> report)
    {
        _vm = vm;
        _channel = channel;
        _clock = clock;
        _report = report;
        _firewall = new UsbredirFirewall(() => policy.For(vm), clock, (kind, device, reason) => _pending.Add(NewEvent(kind, device, reason)));
        _host = new Outlet(host, _firewall.Host);
        _guest = new Outlet(guest, _firewall.Guest);
    }

    /// <summary>What the guest sees.</summary>
    public UsbDeviceDescription? Shown
    {
        get
        {
            lock (_gate)
            {
                return _firewall.Shown;
            }
        }
    }

    /// <summary>Pumps until one side closes, or has to be closed on.</summary>
    /// <returns>Why it ended.</returns>
    public async Task<string> RunAsync(CancellationToken cancellationToken)
    {
        await using CancellationTokenRegistration end = cancellationToken.Register(Dispose);
        await using ITimer silence = _clock.CreateTimer(_ => EndSilence(), null, s_helloPatience, Timeout.InfiniteTimeSpan);
        Task<string> fromHost = Start(() => Pump(_host, _guest, UsbredirSide.Host));
        Task<string> fromGuest = Start(() => Pump(_guest, _host, UsbredirSide.Guest));
        string reason = await await Task.WhenAny(fromHost, fromGuest);
        Dispose();
        await Task.WhenAll(fromHost, fromGuest);
        return reason;
    }

    /// <summary>The lists have changed; returns at once.</summary>
    /// <param name="since">When that was noticed, by the clock's timestamp.</param>
    public void Recheck(long since)
    {
        // One thread at a time: where a peer does not read, it waits with what it has to send, and changes only count up.
        Volatile.Write(ref _changedAt, since);
        if (Interlocked.Increment(ref _changes) == 1)
        {
            _ = Task.Run(RecheckUntilQuiet);
        }
    }

    public void Dispose()
    {
        _host.Socket.Dispose();
        _guest.Socket.Dispose();
    }

    private void RecheckUntilQuiet()
    {
        int seen;
        do
        {
            seen = Volatile.Read(ref _changes);
            RecheckNow(Volatile.Read(ref _changedAt));
        }
        while (Interlocked.Add(ref _changes, -seen) > 0);
    }

    private void RecheckNow(long since)
    {
        string? closing;
        lock (_gate)
        {
            _firewall.Recheck();
            closing = _firewall.Closing;
        }

        try
        {
            // The guest first: it is there that the device must go.
            _guest.Flush(_gate);
            Publish(since);
            _host.Flush(_gate);
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
        {
            closing ??= fault.Message;
        }

        if (closing is not null)
        {
            Dispose();
            Publish(since);
        }
    }

    private void EndSilence()
    {
        lock (_gate)
        {
            if (_firewall.Features is not null)
            {
                return;
            }
        }

        Dispose();
    }

    private static Task<string> Start(Func<string> pump) =>
        Task.Factory.StartNew(pump, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private string Pump(Outlet source, Outlet target, UsbredirSide side)
    {
        byte[] chunk = GC.AllocateUninitializedArray<byte>(ChunkSize, pinned: true);
        try
        {
            while (true)
            {
                int count = source.Socket.Receive(chunk);
                long received = _clock.GetTimestamp();
                if (count == 0)
                {
                    return $"the {(side == UsbredirSide.Host ? "host" : "guest")} has closed the connection";
                }

                string? closing = Take(side, chunk.AsSpan(0, count));
                target.Flush(_gate);
                source.Flush(_gate);
                Publish(received);
                if (closing is not null)
                {
                    return closing;
                }
            }
        }
        catch (ProtocolException fault)
        {
            Publish(null);
            return fault.Message;
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
        {
            return $"the connection to the {(side == UsbredirSide.Host ? "host" : "guest")} broke ({fault.Message})";
        }
    }

    private string? Take(UsbredirSide side, ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            _firewall.Receive(side, bytes);
            return _firewall.Closing;
        }
    }

    private UsbEvent NewEvent(UsbEventKind kind, UsbDeviceDescription? device, string reason) =>
        new(_clock.GetUtcNow(), kind, reason) { Vm = _vm, Channel = _channel, Device = device };

    // Reported when what they are about is sent, which the latency includes.
    private void Publish(long? since)
    {
        UsbEvent[] events;
        lock (_gate)
        {
            if (_pending.Count == 0)
            {
                return;
            }

            events = [.. _pending];
            _pending.Clear();
        }

        TimeSpan? latency = since is { } start ? _clock.GetElapsedTime(start) : null;
        foreach (UsbEvent happening in events)
        {
            _report(happening with { Latency = latency });
        }
    }

    /// <summary>A socket and what waits to be sent through it, in order whoever sends.</summary>
    private sealed class Outlet(Socket socket, UsbredirEnd end)
    {
        private readonly Lock _turn = new();
        private ArrayBufferWriter<byte> _spare = new(ChunkSize);

        public Socket Socket => socket;

        public void Flush(Lock gate)
        {
            // Nothing to send: then there is nothing to wait for either, if another thread is sending and the peer does not read.
            lock (gate)
            {
                if (end.Out.WrittenCount == 0)
                {
                    return;
                }
            }

            lock (_turn)
            {
                ArrayBufferWriter<byte> full;
                lock (gate)
                {
                    full = end.Swap(_spare);
                }

                for (ReadOnlySpan<byte> rest = full.WrittenSpan; !rest.IsEmpty;)
                {
                    rest = rest[socket.Send(rest)..];
                }

                full.ResetWrittenCount();
                _spare = full;
            }
        }
    }
}
