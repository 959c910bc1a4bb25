using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Lists;

namespace VmCrypt.Core.Usb.Redir;

/// <summary>One usbredir connection through the firewall: the class that holds its two sockets.</summary>
/// <remarks>A pump for each direction waits until its bytes are sent before it reads more, so that neither side can flood the other.</remarks>
internal sealed class UsbredirSession : IDisposable
{
    private const int ChunkSize = 256 * 1024;

    private readonly Outlet _host;
    private readonly Outlet _guest;
    private readonly UsbredirFirewall _firewall;
    private readonly Lock _gate = new();
    private readonly List<UsbEvent> _pending = [];
    private readonly TimeProvider _clock;
    private readonly Action<UsbEvent> _report;
    private readonly string _channel;
    private readonly VmIdentity _vm;

    public UsbredirSession(Socket host, Socket guest, VmIdentity vm, string channel, UsbPolicy policy, TimeProvider clock, Action<UsbEvent> report)
    {
        _vm = vm;
        _channel = channel;
        _clock = clock;
        _report = report;
        _firewall = new UsbredirFirewall(() => policy.For(vm), clock, (kind, device, reason) => _pending.Add(NewEvent(kind, device, reason)));
        _host = new Outlet(host, _firewall.ToHost);
        _guest = new Outlet(guest, _firewall.ToGuest);
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
        Task<string> fromHost = PumpAsync(_host, _guest, UsbredirSide.Host);
        Task<string> fromGuest = PumpAsync(_guest, _host, UsbredirSide.Guest);
        string reason = await await Task.WhenAny(fromHost, fromGuest);
        Dispose();
        await Task.WhenAll(fromHost, fromGuest);
        return reason;
    }

    /// <summary>The lists have changed.</summary>
    /// <param name="since">When that was noticed, by the clock's timestamp.</param>
    public async Task RecheckAsync(long since)
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
            await _guest.FlushAsync(_gate);
            Publish(since);
            await _host.FlushAsync(_gate);
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

    public void Dispose()
    {
        _host.Socket.Dispose();
        _guest.Socket.Dispose();
    }

    private async Task<string> PumpAsync(Outlet source, Outlet target, UsbredirSide side)
    {
        byte[] chunk = GC.AllocateUninitializedArray<byte>(ChunkSize, pinned: true);
        try
        {
            while (true)
            {
                int count = await source.Socket.ReceiveAsync(chunk.AsMemory());
                long received = _clock.GetTimestamp();
                if (count == 0)
                {
                    return $"the {(side == UsbredirSide.Host ? "host" : "guest")} has closed the connection";
                }

                string? closing = Take(side, chunk.AsSpan(0, count));
                await target.FlushAsync(_gate);
                await source.FlushAsync(_gate);
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
    [SuppressMessage("Design", "CA1001", Justification = "A semaphore whose wait handle nobody asks for holds nothing; who is in a flush may still release it.")]
    private sealed class Outlet(Socket socket, ArrayBufferWriter<byte> waiting)
    {
        private readonly SemaphoreSlim _turn = new(1, 1);
        private byte[] _sending = GC.AllocateUninitializedArray<byte>(ChunkSize, pinned: true);

        public Socket Socket => socket;

        public async ValueTask FlushAsync(Lock gate)
        {
            if (waiting.WrittenCount == 0)
            {
                return;
            }

            await _turn.WaitAsync();
            try
            {
                for (ReadOnlyMemory<byte> rest = Take(gate); !rest.IsEmpty;)
                {
                    rest = rest[await socket.SendAsync(rest)..];
                }
            }
            finally
            {
                _turn.Release();
            }
        }

        private ReadOnlyMemory<byte> Take(Lock gate)
        {
            lock (gate)
            {
                int count = waiting.WrittenCount;
                if (count > _sending.Length)
                {
                    _sending = GC.AllocateUninitializedArray<byte>(count, pinned: true);
                }

                waiting.WrittenSpan.CopyTo(_sending);
                waiting.ResetWrittenCount();
                return _sending.AsMemory(0, count);
            }
        }
    }
}
