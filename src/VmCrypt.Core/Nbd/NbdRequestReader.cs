using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Nbd;

/// <summary>A whole request: its header, what the rules say of it, and a write's data (owned by whoever takes the request).</summary>
internal readonly record struct NbdIncoming(NbdRequest Request, NbdError Verdict, NbdBuffer? Data);

/// <summary>Cuts a client's bytes into requests, without a socket.</summary>
/// <remarks>
/// A write's data may come in through <see cref="Advance"/> or, without a copy, straight into <see cref="Missing"/>.
/// Data of a write that the rules refuse is skipped, so that the stream stays understood and the client gets its error.
/// </remarks>
internal sealed class NbdRequestReader(NbdAgreement agreement, NbdBufferPool buffers)
{
    // A client that sends more than this in one refused write is not merely mistaken.
    private const uint MaxSkipped = 2 * NbdLimits.MaxPayload;

    private NbdIncoming _pending;
    private int _filled;
    private uint _skip;
    private bool _inData;

    /// <summary>Where the next bytes of the connection belong; empty while a header is expected or data is skipped.</summary>
    public Memory<byte> Missing => _pending.Data is { } data ? data.Data[_filled..] : default;

    /// <summary>True between requests: the connection may end here.</summary>
    public bool IsBetweenRequests => !_inData;

    /// <summary>Takes bytes from the front of <paramref name="input"/> and returns how many; <paramref name="incoming"/> is set when a request is whole.</summary>
    /// <exception cref="ProtocolException"><see cref="ErrorIds.NbdRequestInvalid"/>.</exception>
    public int Advance(ReadOnlySpan<byte> input, out NbdIncoming? incoming)
    {
        int taken = 0;
        if (!_inData)
        {
            if (input.Length < NbdRequest.Size)
            {
                incoming = null;
                return 0;
            }

            Begin(NbdRequest.Parse(input[..NbdRequest.Size]));
            taken = NbdRequest.Size;
        }

        taken += TakeData(input[taken..]);
        incoming = Finished();
        return taken;
    }

    /// <summary>Tells that so many bytes were received into <see cref="Missing"/>.</summary>
    public NbdIncoming? Received(int count)
    {
        _filled += count;
        return Finished();
    }

    /// <summary>Gives back the buffer of a write that will never be whole.</summary>
    public void Abandon()
    {
        if (_pending.Data is { } data)
        {
            buffers.Return(data);
        }

        _pending = default;
    }

    private void Begin(in NbdRequest request)
    {
        NbdError verdict = NbdRequestRules.Check(request, agreement);
        bool hasData = request.Command == NbdCommand.Write;
        if (hasData && request.Length > MaxSkipped)
        {
            throw new ProtocolException(ErrorIds.NbdRequestInvalid,
                $"A write announces {request.Length} bytes; at most {agreement.MaximumPayload} are agreed on.");
        }

        _inData = true;
        _filled = 0;
        _skip = hasData && verdict != NbdError.None ? request.Length : 0;
        _pending = new NbdIncoming(request, verdict, hasData && verdict == NbdError.None ? buffers.Rent((int)request.Length) : null);
    }

    private int TakeData(ReadOnlySpan<byte> input)
    {
        if (_skip > 0)
        {
            int skipped = (int)Math.Min(_skip, (uint)input.Length);
            _skip -= (uint)skipped;
            return skipped;
        }

        Memory<byte> missing = Missing;
        int taken = Math.Min(missing.Length, input.Length);
        input[..taken].CopyTo(missing.Span);
        _filled += taken;
        return taken;
    }

    private NbdIncoming? Finished()
    {
        if (!_inData || _skip > 0 || !Missing.IsEmpty)
        {
            return null;
        }

        NbdIncoming whole = _pending;
        _pending = default;
        _inData = false;
        return whole;
    }
}
