using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd;

/// <summary>Understands a server's replies, without a socket, and completes the calls that they answer.</summary>
/// <remarks>
/// Data may come in through <see cref="Advance"/> or, without a copy, straight into <see cref="Missing"/>, which is the
/// memory of the caller who reads. A reply that does not fit its request throws: the connection cannot be trusted any more.
/// </remarks>
internal sealed class NbdReplyReader(NbdAgreement agreement, NbdCalls calls)
{
    private const int ErrorFieldsSize = sizeof(uint) + sizeof(ushort);
    private const int HoleFieldsSize = sizeof(ulong) + sizeof(uint);
    private const int ExtentSize = 2 * sizeof(uint);

    // The longest text, the offset behind it, and some room for what later versions may add.
    private const int MaxErrorPayload = 2 * NbdLimits.MaxString;

    private NbdCall? _call;
    private NbdChunk _chunk;
    private Memory<byte> _target;
    private bool _using;
    private uint _left;

    /// <summary>Where the next bytes of the connection belong; empty while anything but data is expected.</summary>
    public Memory<byte> Missing => _target;

    /// <summary>Takes bytes from the front of <paramref name="input"/> and returns how many, 0 when more are needed.</summary>
    /// <exception cref="ProtocolException"><see cref="ErrorIds.NbdReplyInvalid"/>, <see cref="ErrorIds.NbdCookieUnknown"/>.</exception>
    public int Advance(ReadOnlySpan<byte> input)
    {
        if (_call is null)
        {
            return ReadHeader(input);
        }

        return _chunk.Type == NbdChunkType.BlockStatus ? ReadExtent(input) : ReadData(input);
    }

    /// <summary>Tells that so many bytes were received into <see cref="Missing"/>.</summary>
    public void Received(int count)
    {
        _target = _target[count..];
        _left -= (uint)count;
        EndChunkWhenWhole();
    }

    /// <summary>The connection is over: no caller's memory is touched any more.</summary>
    public void Close() => EndUse();

    private int ReadHeader(ReadOnlySpan<byte> input)
    {
        if (input.Length < sizeof(uint))
        {
            return 0;
        }

        uint magic = new SpanReader(input).UInt32BigEndian();
        return magic switch
        {
            NbdMagic.SimpleReply => input.Length < NbdSimpleReply.Size ? 0 : Begin(NbdSimpleReply.Parse(input)),
            NbdMagic.Chunk when agreement.StructuredReplies => input.Length < NbdChunk.Size ? 0 : Begin(NbdChunk.Parse(input), input),
            _ => throw Invalid($"it begins with 0x{magic:x8}"),
        };
    }

    private int Begin(NbdSimpleReply reply)
    {
        NbdCall call = calls.Find(reply.Cookie);
        NbdCommand command = call.Request.Command;
        if ((agreement.StructuredReplies && command == NbdCommand.Read) || (command == NbdCommand.BlockStatus && reply.Error == NbdError.None))
        {
            throw Invalid($"a {command} has a simple reply");
        }

        _chunk = new NbdChunk(NbdChunkFlags.Done, NbdChunkType.OffsetData, reply.Cookie, 0);
        if (reply.Error != NbdError.None)
        {
            call.Fail(reply.Error, string.Empty);
        }
        else if (command == NbdCommand.Read)
        {
            Expect(call, call.Request.Offset, call.Request.Length);
        }

        _call = call;
        EndChunkWhenWhole();
        return NbdSimpleReply.Size;
    }

    private int Begin(in NbdChunk chunk, ReadOnlySpan<byte> input)
    {
        NbdCall call = calls.Find(chunk.Cookie);
        int fields = FieldsOf(chunk, call.Request.Command);
        if (input.Length < NbdChunk.Size + fields)
        {
            return 0;
        }

        var reader = new SpanReader(input.Slice(NbdChunk.Size, fields));
        switch (chunk.Type)
        {
            case NbdChunkType.None:
                break;
            case NbdChunkType.OffsetData:
                Expect(call, reader.UInt64BigEndian(), chunk.Length - sizeof(ulong));
                break;
            case NbdChunkType.OffsetHole:
                FillHole(call, reader.UInt64BigEndian(), reader.UInt32BigEndian());
                break;
            case NbdChunkType.BlockStatus:
                ExpectExtents(call, chunk, reader.UInt32BigEndian());
                break;
            default:
                ReadError(call, ref reader);
                break;
        }

        (_call, _chunk) = (call, chunk);
        EndChunkWhenWhole();
        return NbdChunk.Size + fields;
    }

    /// <summary>The bytes of a chunk that must be there before any of it is understood; checks that its length suits its type and request.</summary>
    private static int FieldsOf(in NbdChunk chunk, NbdCommand command)
    {
        (bool fits, int fields) = chunk.Type switch
        {
            NbdChunkType.None => (chunk.Length == 0 && chunk.IsDone, 0),
            NbdChunkType.OffsetData => (command == NbdCommand.Read && chunk.Length > sizeof(ulong), sizeof(ulong)),
            NbdChunkType.OffsetHole => (command == NbdCommand.Read && chunk.Length == HoleFieldsSize, HoleFieldsSize),
            NbdChunkType.BlockStatus => (command == NbdCommand.BlockStatus && chunk.Length > sizeof(uint)
                && (chunk.Length - sizeof(uint)) % ExtentSize == 0
                && (chunk.Length - sizeof(uint)) / ExtentSize <= NbdLimits.MaxExtentsAccepted, sizeof(uint)),
            _ => (chunk.IsError && chunk.Length is >= ErrorFieldsSize and <= MaxErrorPayload, (int)chunk.Length),
        };
        return fits ? fields : throw Invalid($"a chunk of type {(ushort)chunk.Type} with {chunk.Length} bytes answers a {command}");
    }

    private void Expect(NbdCall call, ulong offset, uint length)
    {
        if (!call.TryCover(offset, length, out Memory<byte> place))
        {
            throw Invalid($"{length} bytes at offset {offset} lie outside of the read or came twice");
        }

        _left = length;
        _using = call.TryUse();
        _target = _using ? place : default;
    }

    private static void FillHole(NbdCall call, ulong offset, uint length)
    {
        if (!call.TryCover(offset, length, out Memory<byte> place))
        {
            throw Invalid($"a hole of {length} bytes at offset {offset} lies outside of the read or came twice");
        }

        if (call.TryUse())
        {
            place.Span.Clear();
            call.EndUse();
        }
    }

    private void ExpectExtents(NbdCall call, in NbdChunk chunk, uint context)
    {
        if (context != agreement.AllocationContext || call.Extents.Count > 0)
        {
            throw Invalid($"the status of context {context} was not asked for, or came twice");
        }

        _left = chunk.Length - sizeof(uint);
    }

    private static void ReadError(NbdCall call, ref SpanReader reader)
    {
        var error = (NbdError)reader.UInt32BigEndian();
        int length = reader.UInt16BigEndian();
        if (error == NbdError.None || length > reader.Remaining)
        {
            throw Invalid($"an error {(uint)error} has a text of {length} bytes in {reader.Remaining}");
        }

        call.Fail(error, NbdText.ForPeople(reader.Bytes(length)));
    }

    private int ReadData(ReadOnlySpan<byte> input)
    {
        int taken = (int)Math.Min(_left, (uint)input.Length);
        if (_using)
        {
            input[..taken].CopyTo(_target.Span);
            _target = _target[taken..];
        }

        _left -= (uint)taken;
        EndChunkWhenWhole();
        return taken;
    }

    private int ReadExtent(ReadOnlySpan<byte> input)
    {
        if (input.Length < ExtentSize)
        {
            return 0;
        }

        var reader = new SpanReader(input);
        uint length = reader.UInt32BigEndian();
        if (length == 0)
        {
            throw Invalid("an extent has no length");
        }

        _call!.Extents.Add((length, (NbdExtentFlags)reader.UInt32BigEndian()));
        _left -= ExtentSize;
        EndChunkWhenWhole();
        return ExtentSize;
    }

    private void EndChunkWhenWhole()
    {
        if (_left > 0)
        {
            return;
        }

        EndUse();
        NbdCall call = _call!;
        _call = null;
        if (_chunk.IsDone)
        {
            if (!call.TryFinish())
            {
                throw Invalid($"a {call.Request.Command} ends without error, but not all of it has come");
            }

            calls.Remove(call);
        }
    }

    private void EndUse()
    {
        if (_using)
        {
            _using = false;
            _target = default;
            _call!.EndUse();
        }
    }

    private static ProtocolException Invalid(string what) => new(ErrorIds.NbdReplyInvalid, $"A reply of the NBD server breaks the protocol: {what}.");
}
