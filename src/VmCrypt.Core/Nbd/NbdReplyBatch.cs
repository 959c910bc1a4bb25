using VmCrypt.Core.Block.Nbd;

namespace VmCrypt.Core.Nbd;

/// <summary>The answers that one thread has ready: small reads are made in place, and several answers leave in one send.</summary>
internal sealed class NbdReplyBatch(NbdReplyFormat format, Action<ReadOnlyMemory<byte>> send)
{
    /// <summary>Longest read that is made in place; a longer one is worth a send and a buffer of its own.</summary>
    public const int MaxInPlace = 32 * 1024;

    // A client with a queue of requests is kept waiting by a long batch, and woken too often by a short one.
    private const int MaxAnswers = 4;

    private const int Capacity = (2 * MaxInPlace) + (MaxAnswers * NbdReplyFormat.MaxSize);

    private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(Capacity, pinned: true);
    private int _start;
    private int _end;
    private int _answers;

    /// <summary>Room for the data of a small read, until <see cref="Data"/> or another answer takes its place.</summary>
    public Memory<byte> RoomForData(int length)
    {
        Need(format.DataHeaderSize + length);
        return _bytes.AsMemory(_end + format.DataHeaderSize, length);
    }

    /// <summary>The answer to a read whose data stands in the room that was asked for last.</summary>
    public void Data(in NbdRequest request)
    {
        format.WriteDataHeader(_bytes.AsSpan(_end), request);
        Added(format.DataHeaderSize + (int)request.Length);
    }

    public void Done(ulong cookie)
    {
        Need(NbdReplyFormat.MaxSize);
        Added(NbdReplyFormat.WriteDone(_bytes.AsSpan(_end), cookie));
    }

    public void Error(ulong cookie, NbdError error, string word)
    {
        Need(NbdReplyFormat.MaxSize);
        Added(format.WriteError(_bytes.AsSpan(_end), cookie, error, word));
    }

    /// <summary>Sends a read that has a buffer of its own.</summary>
    public void SendData(in NbdRequest request, NbdBuffer buffer)
    {
        Send();
        Memory<byte> whole = buffer.WithHeader(format.DataHeaderSize);
        format.WriteDataHeader(whole.Span, request);
        send(whole);
    }

    public void SendExtents(ulong cookie, ReadOnlySpan<(uint Length, NbdExtentFlags Flags)> extents)
    {
        Send();
        byte[] whole = new byte[NbdReplyFormat.ExtentsSize(extents.Length)];
        format.WriteExtents(whole, cookie, extents);
        send(whole);
    }

    /// <summary>Sends what is ready; room that was asked for stays where it is.</summary>
    public void Send()
    {
        if (_answers > 0)
        {
            send(_bytes.AsMemory(_start, _end - _start));
            _start = _end;
            _answers = 0;
        }
    }

    public void Wipe() => _bytes.AsSpan().Clear();

    private void Added(int length)
    {
        _end += length;
        if (++_answers == MaxAnswers)
        {
            Send();
        }
    }

    private void Need(int length)
    {
        if (_answers == 0)
        {
            _start = _end = 0;
        }
        else if (length > Capacity - _end)
        {
            Send();
            _start = _end = 0;
        }
    }
}
