using System.Buffers;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd.Authorization;

namespace VmCrypt.Core.Nbd;

/// <summary>One client from its greeting to its end: the handshake on one thread, then a crew of workers.</summary>
internal sealed class NbdServerConnection
{
    private readonly NbdServerContext _context;
    private readonly NbdReceiveBuffer _received = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly DateTimeOffset _connectedAt = DateTimeOffset.UtcNow;
    private readonly string _peer;
    private readonly int _id;
    private volatile bool _stopping;
    private NbdServerInput? _input;
    private NbdCrew? _crew;
    private string? _export;
    private string? _identity;

    public NbdServerConnection(int id, NbdTransport transport, NbdServerContext context)
    {
        _id = id;
        _context = context;
        _peer = transport.Peer;
        Host = transport.Host;
        Transport = transport;
    }

    public NbdTransport Transport { get; }

    /// <summary>Where the client connects from, without its port; empty for a Unix socket.</summary>
    public string Host { get; }

    public NbdBufferPool Buffers => _context.Buffers;

    public NbdCounters Counters { get; } = new();

    /// <summary>Set from the end of the handshake on, as is <see cref="Handler"/>.</summary>
    public NbdAgreement Agreement { get; private set; } = null!;

    public NbdRequestHandler Handler { get; private set; } = null!;

    /// <summary>New requests are answered with ESHUTDOWN.</summary>
    public bool IsStopping => _stopping;

    /// <summary>The server will wait no longer for what is running.</summary>
    public CancellationToken Aborted => _context.Impatient;

    /// <summary>Never faults.</summary>
    public Task Ended => _ended.Task;

    public NbdClientInfo Info => new(_id, _peer, Volatile.Read(ref _export), _connectedAt, Counters.Snapshot) { Identity = Volatile.Read(ref _identity) };

    public void Start()
    {
        if (!TryStartThread(Run))
        {
            End();
        }
    }

    /// <summary>Lets running requests finish (or be cancelled by <see cref="Aborted"/>), then closes.</summary>
    public async Task StopAsync()
    {
        _stopping = true;
        while (_crew is { IsBusy: true } && !Ended.IsCompleted && !Aborted.IsCancellationRequested)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), CancellationToken.None);
        }

        Transport.Break();

        // A device may finish what it cannot cancel; its threads are joined whatever it takes.
        await Ended;
    }

    /// <summary>Ends the connection if the rules do not let its client in any more; what a device is doing for it is finished, and not answered.</summary>
    public void JudgeAgain(NbdAuthorization authorization)
    {
        if (Volatile.Read(ref _identity) is not null && Refusal(authorization, ErrorIds.NbdClientRevoked) is { } refusal)
        {
            Report(refusal);
            Transport.Break();
        }
    }

    /// <summary>Ends a connection that keeps memory from others and moves nothing.</summary>
    public void EndStall()
    {
        Report(new ProtocolException(ErrorIds.NbdClientStalled, $"The client moved nothing, or next to nothing, for {_context.Options.StallTimeout.TotalSeconds:0.#} s while other requests waited for the memory that it holds."));
        Transport.Break();
    }

    /// <summary>Tells the owner of the server what went wrong; the client has its own answer.</summary>
    public void Report(Exception fault) => _context.Options.OnFault?.Invoke(Info, fault);

    private void Run()
    {
        if (!TryNegotiate() || !_context.TryAdmit(this))
        {
            End();
            return;
        }

        _input = new NbdServerInput(Transport, _received, new NbdRequestReader(Agreement, Buffers));
        _crew = new NbdCrew(_context.Running, () => TryStartThread(Work));
        Work();
    }

    private bool TryNegotiate()
    {
        try
        {
            using var deadline = new Timer(_ => Transport.Break(), state: null, _context.Options.HandshakeTimeout, Timeout.InfiniteTimeSpan);
            return Negotiate();
        }
        catch (Exception fault)
        {
            // Whatever a client brings about here ends its connection; out of this thread it would end the whole process.
            Report(fault);
            return false;
        }
    }

    private bool Negotiate()
    {
        var output = new ArrayBufferWriter<byte>();
        var handshake = new NbdServerHandshake(_context.Exports, _context.Options.Tls, output);
        while (true)
        {
            while (handshake.Advance(_received.Unread) is > 0 and int taken)
            {
                _received.Consume(taken);
            }

            Transport.Send(output.WrittenMemory);
            output.ResetWrittenCount();
            if (handshake.Stage == NbdServerStage.Transmission)
            {
                Agreement = handshake.Agreement!;
                Handler = new NbdRequestHandler(handshake.Export!.Device, Buffers);
                Volatile.Write(ref _export, handshake.Export.Name);
                return true;
            }

            if (handshake.Stage == NbdServerStage.StartTls)
            {
                StartTls();
                handshake.TlsStarted();
                continue;
            }

            int count = handshake.Stage == NbdServerStage.Closed ? 0 : Transport.Receive(_received.Free);
            if (count == 0)
            {
                return false;
            }

            _received.Received(count);
        }
    }

    private void StartTls()
    {
        if (!_received.Unread.IsEmpty)
        {
            throw new ProtocolException(ErrorIds.NbdTlsInjected, $"{_received.Unread.Length} plain bytes follow the client's wish for TLS.");
        }

        TlsServerCredentials credentials = _context.Options.Credentials!;
        try
        {
            // Known before it is judged: if the rules change in between, one of the two looks sees them.
            Volatile.Write(ref _identity, Transport.Secure(credentials));
        }
        finally
        {
            if (credentials.TakeFault() is { } fault)
            {
                Report(fault);
            }
        }

        if (_context.Options.Authorization is { } authorization && Refusal(authorization, ErrorIds.NbdClientDenied) is { } refusal)
        {
            throw refusal;
        }
    }

    private RefusedException? Refusal(NbdAuthorization authorization, string id)
    {
        string who = Volatile.Read(ref _identity) ?? throw new InvalidOperationException("The server's options say that every client is known.");
        return authorization.Allows(who, out string why) ? null : new RefusedException(id, $"The client '{NbdText.ForPeople(who)}' is not allowed in{(why.Length > 0 ? $" ({why.TrimEnd('.')})" : null)}.");
    }

    private void Work()
    {
        try
        {
            new NbdWorker(this, _crew!, _input!).Run();
        }
        catch (ProtocolException fault)
        {
            Report(fault);
            Transport.Break();
        }

        if (_crew!.Leave())
        {
            _input!.Close();
            End();
        }
    }

    private void End()
    {
        Transport.Dispose();
        _context.Ended(this);
        _ended.SetResult();
    }

    private static bool TryStartThread(ThreadStart work)
    {
        try
        {
            new Thread(work) { IsBackground = true, Name = "NBD client" }.Start();
            return true;
        }
        catch (OutOfMemoryException)
        {
            // What .NET says when the system allows no further thread.
            return false;
        }
    }
}
