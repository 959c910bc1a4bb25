using VmCrypt.Core.Block.Nbd;

namespace VmCrypt.Core.Nbd;

/// <summary>The requests of a connection one after the other; used by the worker that has the turn.</summary>
internal sealed class NbdServerInput(NbdTransport transport, NbdReceiveBuffer received, NbdRequestReader reader)
{
    // Less than this and the bytes behind it (the next requests) are worth a copy.
    private const int WorthDirect = 4096;

    private NbdIncoming? _direct;
    private long _heldSince;
    private int _moved;
    private bool _lastWasLarge;
    private bool _over;

    /// <summary>The next request of what has been received; null when more must be.</summary>
    public NbdIncoming? Next()
    {
        NbdIncoming? incoming = _direct;
        _direct = null;
        _lastWasLarge |= incoming is not null;
        if (incoming is null && !_over && !received.Unread.IsEmpty)
        {
            received.Consume(reader.Advance(received.Unread, out incoming));
            _lastWasLarge &= incoming is null;
        }

        _heldSince = incoming is null ? _heldSince : 0;

        if (incoming is { Request.Command: NbdCommand.Disconnect })
        {
            _over = true;
            return null;
        }

        return incoming;
    }

    /// <summary>Waits for more bytes; false when there will be none.</summary>
    public bool Receive()
    {
        if (_over)
        {
            return false;
        }

        Memory<byte> missing = reader.Missing;
        bool direct = missing.Length >= WorthDirect;
        int count = transport.Receive(direct ? missing : RoomForHeaders(), missing.IsEmpty ? 0 : HeldSince());
        _moved += missing.IsEmpty ? 0 : count;
        if (direct)
        {
            _direct = reader.Received(count);
        }
        else
        {
            received.Received(count);
        }

        _over = count == 0;
        return !_over;
    }

    // Slice by slice: who sends a byte now and then moves something, and nobody else gets the memory.
    private long HeldSince()
    {
        if (_heldSince == 0 || _moved >= NbdTransport.Slice)
        {
            _heldSince = Environment.TickCount64;
            _moved = 0;
        }

        return _heldSince;
    }

    // Large writes come in rows: with only its header taken, the next one's data needs no copy either.
    private Memory<byte> RoomForHeaders() => _lastWasLarge && received.Unread.IsEmpty ? received.Free[..NbdRequest.Size] : received.Free;

    /// <summary>Nothing will be read any more.</summary>
    public void Close()
    {
        reader.Abandon();
        received.Wipe();
    }
}
