namespace VmCrypt.Core.Block.Nbd;

/// <summary>The client's end of a connection in the transmission phase: many calls at a time, answered in any order.</summary>
internal sealed class NbdConnection : IAsyncDisposable
{
    private const int MaxCalls = 64;

    // What is longer does not go out in one piece with its header, but straight from the caller's memory.
    private const int Together = 16 * 1024;

    // Less than this and the bytes behind it (the next replies) are worth a copy.
    private const int WorthDirect = 4096;

    // How long a cancelled call or a good-bye waits for a server that takes nothing.
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(500);

    private readonly NbdChannel _channel;
    private readonly NbdReceiveBuffer _received;
    private readonly NbdCalls _calls = new();
    private readonly NbdReplyReader _reader;
    private readonly SemaphoreSlim _places = new(MaxCalls);
    private readonly SemaphoreSlim _sending = new(1);
    private readonly byte[] _outgoing = GC.AllocateUninitializedArray<byte>(NbdRequest.Size + Together, pinned: true);
    private readonly Task _receiving;
    private Exception? _broken;

    /// <param name="received">What came in behind the handshake.</param>
    public NbdConnection(NbdChannel channel, NbdReceiveBuffer received, NbdAgreement agreement)
    {
        _channel = channel;
        _received = received;
        Agreement = agreement;
        _reader = new NbdReplyReader(agreement, _calls);
        _receiving = ReceiveAsync();
    }

    public NbdAgreement Agreement { get; }

    /// <summary>Why it broke; null while it lives.</summary>
    public Exception? Fault => Volatile.Read(ref _broken);

    /// <summary>Calls under way.</summary>
    public int Load => _calls.Count;

    /// <summary>Sends a request, with a write's data, and waits for its reply.</summary>
    public async Task CallAsync(NbdCall call, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        await _places.WaitAsync(cancellationToken);
        try
        {
            using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(
                static (state, token) => ((CancelState)state!).Cancel(token), cancellationToken.CanBeCanceled ? new CancelState(this, call) : null);
            await SendAsync(call, data, cancellationToken);
            await call.Task;
        }
        finally
        {
            _places.Release();
        }
    }

    /// <summary>Says good-bye and joins the receiver; calls still under way fail.</summary>
    public async ValueTask DisposeAsync()
    {
        await SayGoodbyeAsync();
        Break(new ObjectDisposedException(nameof(NbdDevice), "it was closed on this side"));
        await _receiving;
        _received.Wipe();
        _outgoing.AsSpan().Clear();
    }

    private async Task SendAsync(NbdCall call, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        await _sending.WaitAsync(cancellationToken);
        try
        {
            _calls.Add(call);
            if (!call.TryUse())
            {
                _calls.Remove(call);
                return;
            }

            try
            {
                int together = Math.Min(data.Length, Together);
                call.Request.WriteTo(_outgoing);
                data.Span[..together].CopyTo(_outgoing.AsSpan(NbdRequest.Size));
                // Half a request would make everything after it senseless: once begun, sending cannot be cancelled.
                await _channel.SendAsync(_outgoing.AsMemory(0, NbdRequest.Size + together), CancellationToken.None);
                if (data.Length > together)
                {
                    await _channel.SendAsync(data[together..], CancellationToken.None);
                }
            }
            finally
            {
                call.EndUse();
            }
        }
        catch (Exception fault) when (NbdChannel.IsBreak(fault))
        {
            Break(fault);
            throw NbdCalls.Lost(_broken!);
        }
        finally
        {
            _sending.Release();
        }
    }

    private async Task ReceiveAsync()
    {
        try
        {
            while (true)
            {
                while (_reader.Advance(_received.Unread) is > 0 and int taken)
                {
                    _received.Consume(taken);
                }

                Memory<byte> missing = _reader.Missing;
                bool direct = missing.Length >= WorthDirect;
                int count = await _channel.ReceiveAsync(direct ? missing : _received.Free, CancellationToken.None);
                if (count == 0)
                {
                    throw new EndOfStreamException("the server closed it");
                }

                if (direct)
                {
                    _reader.Received(count);
                }
                else
                {
                    _received.Received(count);
                }
            }
        }
        catch (Exception fault)
        {
            // Whatever it was, nobody reads replies any more: the calls must hear of it.
            Break(fault);
        }

        _reader.Close();
        _calls.Close(_broken!);
    }

    private async Task SayGoodbyeAsync()
    {
        if (_broken is not null || !await _sending.WaitAsync(s_patience))
        {
            return;
        }

        try
        {
            byte[] goodbye = new byte[NbdRequest.Size];
            new NbdRequest(NbdCommand.Disconnect, NbdCommandFlags.None, Cookie: 0, Offset: 0, Length: 0).WriteTo(goodbye);
            using var limit = new CancellationTokenSource(s_patience);
            await _channel.SendAsync(goodbye, limit.Token);
        }
        catch (Exception gone) when (NbdChannel.IsBreak(gone) || gone is OperationCanceledException)
        {
            // The server left first or reads no more; there is nobody to say good-bye to.
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>The first reason stands; the receiver then fails the calls.</summary>
    private void Break(Exception reason)
    {
        Interlocked.CompareExchange(ref _broken, reason, comparand: null);
        _channel.Dispose();
    }

    private sealed class CancelState(NbdConnection connection, NbdCall call)
    {
        public void Cancel(CancellationToken cancellationToken)
        {
            call.Cancel(cancellationToken);
            if (call.IsStuck)
            {
                _ = BreakWhenStillStuckAsync();
            }
        }

        /// <summary>The caller's memory can be freed from a transfer that does not move only by ending the connection.</summary>
        private async Task BreakWhenStillStuckAsync()
        {
            await Task.Delay(s_patience);
            if (call.IsStuck)
            {
                connection.Break(new TimeoutException("the server neither took nor sent the data of a cancelled request"));
            }
        }
    }
}
