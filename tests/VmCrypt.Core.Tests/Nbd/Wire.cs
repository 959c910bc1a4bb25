using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using VmCrypt.Core.Block.Nbd;

namespace VmCrypt.Core.Tests.Nbd;

/// <summary>Messages of the wire, written out by hand so that a mistake in our own writers is not repeated here.</summary>
internal static class Wire
{
    public const ulong OptionMagic = 0x49484156454F5054;
    public const ulong OptionReplyMagic = 0x3e889045565a9;

    public static byte[] Greeting { get; } = [.. "NBDMAGICIHAVEOPT"u8, 0, 3];

    public static byte[] U16(int value) => Bytes(2, bytes => BinaryPrimitives.WriteUInt16BigEndian(bytes, (ushort)value));

    public static byte[] U32(uint value) => Bytes(4, bytes => BinaryPrimitives.WriteUInt32BigEndian(bytes, value));

    public static byte[] U64(ulong value) => Bytes(8, bytes => BinaryPrimitives.WriteUInt64BigEndian(bytes, value));

    /// <summary>A length and so many bytes of text.</summary>
    public static byte[] Text(string text) => [.. U32((uint)Encoding.UTF8.GetByteCount(text)), .. Encoding.UTF8.GetBytes(text)];

    public static byte[] Option(NbdOption option, params byte[] data) => [.. U64(OptionMagic), .. U32((uint)option), .. U32((uint)data.Length), .. data];

    public static byte[] Go(string export, params int[] infos) => Option(NbdOption.Go, Info(export, infos));

    public static byte[] Info(string export, params int[] infos) => [.. Text(export), .. U16(infos.Length), .. infos.SelectMany(U16)];

    public static byte[] Contexts(string export, params string[] queries) => [.. Text(export), .. U32((uint)queries.Length), .. queries.SelectMany(Text)];

    public static byte[] OptionReply(NbdOption option, NbdOptionReplyType type, params byte[] data) =>
        [.. U64(OptionReplyMagic), .. U32((uint)option), .. U32((uint)type), .. U32((uint)data.Length), .. data];

    public static byte[] Request(NbdCommand command, ulong offset, uint length, ulong cookie = 1, NbdCommandFlags flags = NbdCommandFlags.None) =>
        [.. U32(0x25609513), .. U16((int)flags), .. U16((int)command), .. U64(cookie), .. U64(offset), .. U32(length)];

    public static byte[] SimpleReply(ulong cookie, NbdError error = NbdError.None, params byte[] data) =>
        [.. U32(0x67446698), .. U32((uint)error), .. U64(cookie), .. data];

    public static byte[] Chunk(ulong cookie, NbdChunkType type, bool done, params byte[] payload) =>
        [.. U32(0x668e33ef), .. U16(done ? 1 : 0), .. U16((int)type), .. U64(cookie), .. U32((uint)payload.Length), .. payload];

    public static byte[] DataChunk(ulong cookie, ulong offset, bool done, params byte[] data) =>
        Chunk(cookie, NbdChunkType.OffsetData, done, [.. U64(offset), .. data]);

    public static byte[] HoleChunk(ulong cookie, ulong offset, uint length, bool done) =>
        Chunk(cookie, NbdChunkType.OffsetHole, done, [.. U64(offset), .. U32(length)]);

    public static byte[] ErrorChunk(ulong cookie, NbdError error, string text, bool done) =>
        Chunk(cookie, NbdChunkType.Error, done, [.. U32((uint)error), .. U16(text.Length), .. Encoding.UTF8.GetBytes(text)]);

    private static byte[] Bytes(int size, SpanAction write)
    {
        byte[] bytes = new byte[size];
        write(bytes);
        return bytes;
    }

    private delegate void SpanAction(Span<byte> bytes);
}

/// <summary>Feeds a state object as a socket would: what it does not take is offered again together with what comes next.</summary>
internal static class Feed
{
    public delegate int Advance(ReadOnlySpan<byte> input);

    public static void All(Advance advance, ReadOnlySpan<byte> input)
    {
        while (advance(input) is > 0 and int taken)
        {
            input = input[taken..];
        }

        Assert.True(input.IsEmpty, $"{input.Length} bytes were not understood");
    }

    /// <summary>In two pieces, cut at <paramref name="cut"/>.</summary>
    public static void Split(Advance advance, byte[] input, int cut)
    {
        int taken = Some(advance, input.AsSpan(0, cut));
        All(advance, input.AsSpan(taken));
    }

    public static void ByteByByte(Advance advance, byte[] input)
    {
        int taken = 0;
        for (int end = 1; end <= input.Length; end++)
        {
            taken += Some(advance, input.AsSpan(taken..end));
        }

        Assert.Equal(input.Length, taken);
    }

    /// <summary>As far as it goes; returns how far.</summary>
    public static int Some(Advance advance, ReadOnlySpan<byte> input)
    {
        int all = 0;
        while (advance(input[all..]) is > 0 and int taken)
        {
            all += taken;
        }

        return all;
    }

    /// <summary>Every way to feed an input: 0 is whole, -1 byte by byte, others cut there.</summary>
    public static IEnumerable<int> Ways(byte[] input) => Enumerable.Range(-1, input.Length + 1);

    public static void By(int way, Advance advance, byte[] input)
    {
        if (way < 0)
        {
            ByteByByte(advance, input);
        }
        else
        {
            Split(advance, input, way);
        }
    }

    public static byte[] Taken(this ArrayBufferWriter<byte> output)
    {
        byte[] bytes = output.WrittenSpan.ToArray();
        output.ResetWrittenCount();
        return bytes;
    }
}
