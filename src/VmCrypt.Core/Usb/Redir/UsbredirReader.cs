using System.Buffers.Binary;

namespace VmCrypt.Core.Usb.Redir;

/// <summary>A packet, or the next piece of one that is passed on while it comes in.</summary>
/// <param name="bytes">Of the first piece: from the packet's own header on.</param>
/// <param name="headerSize">Bytes in front of the type's header; of the first piece only.</param>
/// <param name="remaining">Bytes of the packet that are still to come.</param>
internal readonly ref struct UsbredirPiece(UsbredirPacketType type, ulong id, bool isFirst, ReadOnlySpan<byte> bytes, int headerSize, long remaining)
{
    public UsbredirPacketType Type { get; } = type;

    public ulong Id { get; } = id;

    public bool IsFirst { get; } = isFirst;

    public ReadOnlySpan<byte> Bytes { get; } = bytes;

    public long Remaining { get; } = remaining;

    /// <summary>The type's header and the data behind it.</summary>
    public ReadOnlySpan<byte> Body => Bytes[headerSize..];
}

/// <summary>Cuts what one side sends into packets. Checks each header before it waits for, or stores, what the header announces.</summary>
internal sealed class UsbredirReader(UsbredirSide from)
{
    private byte[] _kept = new byte[16 + UsbredirFormat.MaxTypeHeader];
    private int _keptCount;
    private UsbredirPacketType _type;
    private ulong _id;
    private long _streaming;
    private bool _greeted;

    public UsbredirSide From => from;

    /// <summary>The features in use; null until both sides have said hello, and nothing but a hello can be read before.</summary>
    public UsbredirCaps? Caps { get; set; }

    /// <summary>Bytes of the packet in passage that are still to come.</summary>
    public long Streaming => _streaming;

    /// <summary>Takes the next packet or piece from <paramref name="input"/>.</summary>
    /// <returns>False when more input, or the other side's hello, is needed; unread input stays in <paramref name="input"/> only in the latter case.</returns>
    /// <exception cref="Errors.ProtocolException"><see cref="Errors.ErrorIds.UsbredirInvalid"/>.</exception>
    public bool TryRead(ref ReadOnlySpan<byte> input, out UsbredirPiece piece)
    {
        piece = default;
        if (_streaming > 0)
        {
            return TryStream(ref input, out piece);
        }

        if (_greeted && Caps is null)
        {
            return false;
        }

        UsbredirCaps caps = _greeted ? Caps!.Value : UsbredirCaps.None;
        int headerSize = UsbredirFormat.HeaderSize(caps);
        if (!TryPeek(ref input, headerSize, out ReadOnlySpan<byte> seen))
        {
            return false;
        }

        _type = (UsbredirPacketType)BinaryPrimitives.ReadUInt32LittleEndian(seen);
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(seen[4..]);
        _id = headerSize == 16 ? BinaryPrimitives.ReadUInt64LittleEndian(seen[8..]) : BinaryPrimitives.ReadUInt32LittleEndian(seen[8..]);
        int typeSize = CheckHeader(caps, length);
        if (!TryPeek(ref input, headerSize + typeSize, out seen))
        {
            return false;
        }

        UsbredirFormat.CheckDataLength(_type, from, caps, seen[headerSize..(headerSize + typeSize)], length - typeSize);
        bool streamed = UsbredirFormat.IsStreamed(_type);
        int wanted = headerSize + (streamed ? typeSize : (int)length);
        if (!TryTake(ref input, wanted, out ReadOnlySpan<byte> bytes))
        {
            return false;
        }

        _greeted = true;
        _streaming = streamed ? length - typeSize : 0;
        piece = new UsbredirPiece(_type, _id, isFirst: true, bytes, headerSize, _streaming);
        return true;
    }

    private int CheckHeader(UsbredirCaps caps, uint length)
    {
        if (_greeted == (_type == UsbredirPacketType.Hello))
        {
            throw UsbredirFormat.Invalid(from, _greeted ? "said hello twice" : $"sent a packet of type {(uint)_type} before its hello");
        }

        int typeSize = UsbredirFormat.TypeHeaderSize(_type, from, caps);
        return length >= typeSize ? typeSize : throw UsbredirFormat.Invalid(from, $"sent a {_type} of {length} bytes; its header alone has {typeSize}");
    }

    private bool TryStream(ref ReadOnlySpan<byte> input, out UsbredirPiece piece)
    {
        int count = (int)Math.Min(_streaming, input.Length);
        _streaming -= count;
        piece = new UsbredirPiece(_type, _id, isFirst: false, input[..count], 0, _streaming);
        input = input[count..];
        return count > 0;
    }

    // Shows the packet's first bytes where they are; what does not lie in one piece is kept until it does.
    private bool TryPeek(ref ReadOnlySpan<byte> input, int count, out ReadOnlySpan<byte> bytes)
    {
        if (_keptCount == 0 && input.Length >= count)
        {
            bytes = input[..count];
            return true;
        }

        Keep(ref input, count);
        bytes = _kept.AsSpan(0, Math.Min(count, _keptCount));
        return _keptCount >= count;
    }

    private bool TryTake(ref ReadOnlySpan<byte> input, int count, out ReadOnlySpan<byte> bytes)
    {
        bool whole = TryPeek(ref input, count, out bytes);
        if (whole && _keptCount == 0)
        {
            input = input[count..];
        }
        else if (whole)
        {
            _keptCount = 0;
        }

        return whole;
    }

    private void Keep(ref ReadOnlySpan<byte> input, int count)
    {
        int more = Math.Min(count - _keptCount, input.Length);
        if (more <= 0)
        {
            return;
        }

        if (_kept.Length < count)
        {
            Array.Resize(ref _kept, count);
        }

        input[..more].CopyTo(_kept.AsSpan(_keptCount));
        _keptCount += more;
        input = input[more..];
    }
}
