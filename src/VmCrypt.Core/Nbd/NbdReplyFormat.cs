using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Nbd;

/// <summary>How answers look on the wire, in the kind of reply that a connection agreed on.</summary>
internal readonly struct NbdReplyFormat(NbdAgreement agreement)
{
    private const int ErrorFieldsSize = sizeof(uint) + sizeof(ushort);
    private const int ExtentSize = 2 * sizeof(uint);

    /// <summary>Longest answer without data: an error with an id of ours as its word.</summary>
    public const int MaxSize = NbdChunk.Size + ErrorFieldsSize + 128;

    /// <summary>Bytes right before the data of a read.</summary>
    public int DataHeaderSize => agreement.StructuredReplies ? NbdChunk.Size + sizeof(ulong) : NbdSimpleReply.Size;

    /// <summary>One chunk says it all: a read is complete before its answer begins, so no error can come after this header.</summary>
    public void WriteDataHeader(Span<byte> target, in NbdRequest request)
    {
        if (!agreement.StructuredReplies)
        {
            new NbdSimpleReply(NbdError.None, request.Cookie).WriteTo(target);
            return;
        }

        new NbdChunk(NbdChunkFlags.Done, NbdChunkType.OffsetData, request.Cookie, request.Length + sizeof(ulong)).WriteTo(target);
        new SpanWriter(target[NbdChunk.Size..]).UInt64BigEndian(request.Offset);
    }

    /// <summary>Success without data; the simple form is legal, and shorter, whatever was agreed on.</summary>
    public static int WriteDone(Span<byte> target, ulong cookie)
    {
        new NbdSimpleReply(NbdError.None, cookie).WriteTo(target);
        return NbdSimpleReply.Size;
    }

    public int WriteError(Span<byte> target, ulong cookie, NbdError error, string word)
    {
        if (!agreement.StructuredReplies)
        {
            new NbdSimpleReply(error, cookie).WriteTo(target);
            return NbdSimpleReply.Size;
        }

        byte[] text = NbdText.Encode(word.Length <= 128 ? word : word[..128]);
        int payload = ErrorFieldsSize + text.Length;
        new NbdChunk(NbdChunkFlags.Done, NbdChunkType.Error, cookie, (uint)payload).WriteTo(target);
        var writer = new SpanWriter(target[NbdChunk.Size..]);
        writer.UInt32BigEndian((uint)error);
        writer.UInt16BigEndian((ushort)text.Length);
        writer.Bytes(text);
        return NbdChunk.Size + payload;
    }

    public static int ExtentsSize(int extents) => NbdChunk.Size + sizeof(uint) + (extents * ExtentSize);

    public void WriteExtents(Span<byte> target, ulong cookie, ReadOnlySpan<(uint Length, NbdExtentFlags Flags)> extents)
    {
        new NbdChunk(NbdChunkFlags.Done, NbdChunkType.BlockStatus, cookie, (uint)(ExtentsSize(extents.Length) - NbdChunk.Size)).WriteTo(target);
        var writer = new SpanWriter(target[NbdChunk.Size..]);
        writer.UInt32BigEndian(agreement.AllocationContext!.Value);
        foreach ((uint length, NbdExtentFlags flags) in extents)
        {
            writer.UInt32BigEndian(length);
            writer.UInt32BigEndian((uint)flags);
        }
    }
}
