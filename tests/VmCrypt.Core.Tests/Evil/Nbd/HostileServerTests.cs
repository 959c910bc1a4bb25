using System.Buffers;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Nbd;

namespace VmCrypt.Core.Tests.Evil.Nbd;

/// <summary>One field of a good message is changed per row; the client ends with one exact error id.</summary>
public sealed class HostileServerTests
{
    private const NbdOption Go = NbdOption.Go;
    private const NbdOption Set = NbdOption.SetMetaContext;
    private const NbdOptionReplyType Info = NbdOptionReplyType.Info;

    private static readonly byte[] s_acks =
        [.. Wire.Greeting, .. Wire.OptionReply(NbdOption.StructuredReply, NbdOptionReplyType.Ack)];

    private static readonly byte[] s_toGo = [.. s_acks, .. Wire.OptionReply(Set, NbdOptionReplyType.Ack)];

    private static readonly byte[] s_exportInfo = [.. Wire.U16(0), .. Wire.U64(1 << 20), .. Wire.U16(0x0ded)];

    public static TheoryData<string, byte[], string> Handshakes() => new()
    {
        { "a web server", [.. "HTTP/1.1 400 Bad Request"u8], ErrorIds.NbdGreetingInvalid },
        { "the second magic", [.. "NBDMAGICIHAVEOPS"u8, 0, 3], ErrorIds.NbdGreetingInvalid },
        { "oldstyle", [.. "NBDMAGIC"u8, .. Wire.U64(0x0000420281861253), 0, 0], ErrorIds.NbdGreetingInvalid },
        { "the magic of a reply", [.. Wire.Greeting, .. Patch(Wire.OptionReply(NbdOption.StructuredReply, NbdOptionReplyType.Ack), 7, 0xaa)], ErrorIds.NbdOptionReplyInvalid },
        { "an answer to another option", [.. Wire.Greeting, .. Wire.OptionReply(Go, NbdOptionReplyType.Ack)], ErrorIds.NbdOptionReplyInvalid },
        { "a type that answers another option", [.. Wire.Greeting, .. Wire.OptionReply(NbdOption.StructuredReply, NbdOptionReplyType.Server)], ErrorIds.NbdOptionReplyInvalid },
        { "an unknown type", [.. Wire.Greeting, .. Wire.OptionReply(NbdOption.StructuredReply, (NbdOptionReplyType)4711)], ErrorIds.NbdOptionReplyInvalid },
        { "a reply of 4 GiB", [.. Wire.Greeting, .. Patch(Wire.OptionReply(NbdOption.StructuredReply, NbdOptionReplyType.Ack), 16, Wire.U32(uint.MaxValue))], ErrorIds.NbdOptionReplyInvalid },
        { "TLS wanted", [.. Wire.Greeting, .. Wire.OptionReply(NbdOption.StructuredReply, NbdOptionReplyType.ErrorTlsRequired)], ErrorIds.NbdTlsRequired },
        { "a shutdown", [.. Wire.Greeting, .. Wire.OptionReply(NbdOption.StructuredReply, NbdOptionReplyType.ErrorShutdown)], ErrorIds.NbdOptionRefused },
        { "a context that was not asked for", [.. s_acks, .. Wire.OptionReply(Set, NbdOptionReplyType.MetaContext, [.. Wire.U32(1), .. "base:location"u8])], ErrorIds.NbdOptionReplyInvalid },
        { "a context without id", [.. s_acks, .. Wire.OptionReply(Set, NbdOptionReplyType.MetaContext, 1, 2, 3)], ErrorIds.NbdOptionReplyInvalid },
        { "no such export", [.. s_toGo, .. Wire.OptionReply(Go, NbdOptionReplyType.ErrorUnknownExport)], ErrorIds.NbdExportNotFound },
        { "a policy", [.. s_toGo, .. Wire.OptionReply(Go, NbdOptionReplyType.ErrorPolicy)], ErrorIds.NbdOptionRefused },
        { "GO without a word about the export", [.. s_toGo, .. Wire.OptionReply(Go, NbdOptionReplyType.Ack)], ErrorIds.NbdOptionReplyInvalid },
        { "an information without type", [.. s_toGo, .. Wire.OptionReply(Go, Info, 0)], ErrorIds.NbdOptionReplyInvalid },
        { "a short export information", [.. s_toGo, .. Wire.OptionReply(Go, Info, s_exportInfo[..^1])], ErrorIds.NbdOptionReplyInvalid },
        { "a long block size", [.. s_toGo, .. Wire.OptionReply(Go, Info, [.. Wire.U16(3), .. new byte[13]])], ErrorIds.NbdOptionReplyInvalid },
        { "a size above 2^63", Gone(size: 1ul << 63), ErrorIds.NbdExportInvalid },
        { "a size that is no multiple of the blocks", Gone(size: 1000), ErrorIds.NbdExportInvalid },
        { "minimum block 0", Gone(minimum: 0), ErrorIds.NbdExportInvalid },
        { "minimum block 513", Gone(minimum: 513), ErrorIds.NbdExportInvalid },
        { "minimum block 128 KiB", Gone(minimum: 128 << 10), ErrorIds.NbdExportInvalid },
        { "preferred block 0", Gone(preferred: 0), ErrorIds.NbdExportInvalid },
        { "preferred block 1000", Gone(preferred: 1000), ErrorIds.NbdExportInvalid },
        { "preferred below minimum", Gone(preferred: 256), ErrorIds.NbdExportInvalid },
        { "maximum payload 0", Gone(payload: 0), ErrorIds.NbdExportInvalid },
        { "maximum payload below minimum", Gone(payload: 511), ErrorIds.NbdExportInvalid },
    };

    [Theory]
    [MemberData(nameof(Handshakes))]
    public void A_handshake_ends_with_its_error(string what, byte[] fromServer, string errorId)
    {
        var handshake = new NbdClientHandshake("disk", tls: false, new ArrayBufferWriter<byte>());

        var error = Assert.ThrowsAny<VmCryptException>(() => Feed.All(handshake.Advance, fromServer));

        Assert.True(error.ErrorId == errorId, $"{what}: {error.Message}");
        Assert.Null(handshake.Agreement);
    }

    [Theory]
    [InlineData((uint)NbdOptionReplyType.ErrorUnsupported, ErrorIds.NbdTlsRefused)]
    [InlineData((uint)NbdOptionReplyType.ErrorPolicy, ErrorIds.NbdTlsRefused)]
    [InlineData((uint)NbdOptionReplyType.ErrorShutdown, ErrorIds.NbdOptionRefused)]
    [InlineData((uint)NbdOptionReplyType.Info, ErrorIds.NbdOptionReplyInvalid)]
    public void A_server_without_TLS_is_left_before_anything_is_said(uint answer, string errorId)
    {
        var output = new ArrayBufferWriter<byte>();
        var handshake = new NbdClientHandshake("disk", tls: true, output);

        var error = Assert.ThrowsAny<VmCryptException>(() => Feed.All(
            handshake.Advance, [.. Wire.Greeting, .. Wire.OptionReply(NbdOption.StartTls, (NbdOptionReplyType)answer)]));

        Assert.Equal(errorId, error.ErrorId);
        Assert.Equal([.. Wire.U32(3), .. Wire.Option(NbdOption.StartTls)], output.WrittenSpan.ToArray());
    }

    [Theory]
    [InlineData("no name", "")]
    [InlineData("half a length", "0000")]
    [InlineData("a name beyond the end", "0000000261")]
    [InlineData("a name of 4 GiB", "ffffffff61")]
    [InlineData("a name that is not UTF-8", "00000001ff")]
    public void A_list_with_a_broken_entry_is_refused(string what, string entry)
    {
        var handshake = new NbdClientHandshake(export: null, tls: false, new ArrayBufferWriter<byte>());

        var error = Assert.Throws<ProtocolException>(() => Feed.All(handshake.Advance,
            [.. Wire.Greeting, .. Wire.OptionReply(NbdOption.List, NbdOptionReplyType.Server, Convert.FromHexString(entry))]));

        Assert.True(error.ErrorId == ErrorIds.NbdOptionReplyInvalid, what);
    }

    [Fact]
    public void A_list_without_end_ends()
    {
        var handshake = new NbdClientHandshake(export: null, tls: false, new ArrayBufferWriter<byte>());
        Feed.All(handshake.Advance, Wire.Greeting);
        byte[] entry = Wire.OptionReply(NbdOption.List, NbdOptionReplyType.Server, Wire.Text("disk"));

        var error = Assert.Throws<ProtocolException>(() =>
        {
            for (int i = 0; i < int.MaxValue; i++)
            {
                Feed.All(handshake.Advance, entry);
            }
        });

        Assert.Equal(ErrorIds.NbdOptionReplyInvalid, error.ErrorId);
    }

    public static TheoryData<string, byte[], string> Replies() => new()
    {
        { "the magic", Patch(Wire.DataChunk(1, 100, done: true, 1, 2), 0, 0x67), ErrorIds.NbdReplyInvalid },
        { "a cookie that is not under way", Wire.DataChunk(3, 100, done: true, 1, 2), ErrorIds.NbdCookieUnknown },
        { "a simple cookie that is not under way", Wire.SimpleReply(9), ErrorIds.NbdCookieUnknown },
        { "a simple reply to a read", Wire.SimpleReply(1, NbdError.InputOutput), ErrorIds.NbdReplyInvalid },
        { "a simple success for a block status", Wire.SimpleReply(2), ErrorIds.NbdReplyInvalid },
        { "data before the read", Wire.DataChunk(1, 99, done: true, 1, 2), ErrorIds.NbdReplyInvalid },
        { "data beyond the read", Wire.DataChunk(1, 103, done: true, 1, 2), ErrorIds.NbdReplyInvalid },
        { "data far beyond the read", Wire.DataChunk(1, ulong.MaxValue, done: true, 1, 2), ErrorIds.NbdReplyInvalid },
        { "more data than was asked for", Wire.DataChunk(1, 100, done: true, 1, 2, 3, 4, 5), ErrorIds.NbdReplyInvalid },
        { "4 GiB of data", Patch(Wire.DataChunk(1, 100, done: true, 1), 16, Wire.U32(uint.MaxValue)), ErrorIds.NbdReplyInvalid },
        { "data without data", Wire.DataChunk(1, 100, done: true), ErrorIds.NbdReplyInvalid },
        { "data without its offset", Wire.Chunk(1, NbdChunkType.OffsetData, done: true, 1, 2, 3), ErrorIds.NbdReplyInvalid },
        { "data for a block status", Wire.DataChunk(2, 0, done: true, 1), ErrorIds.NbdReplyInvalid },
        { "the same data twice", [.. Wire.DataChunk(1, 100, done: false, 1, 2), .. Wire.DataChunk(1, 101, done: true, 1, 2)], ErrorIds.NbdReplyInvalid },
        { "a hole where data was", [.. Wire.DataChunk(1, 100, done: false, 1, 2), .. Wire.HoleChunk(1, 100, 4, done: true)], ErrorIds.NbdReplyInvalid },
        { "a hole of no bytes", Wire.HoleChunk(1, 100, 0, done: true), ErrorIds.NbdReplyInvalid },
        { "a hole beyond the read", Wire.HoleChunk(1, 100, 5, done: true), ErrorIds.NbdReplyInvalid },
        { "a hole of 4 GiB", Wire.HoleChunk(1, 101, uint.MaxValue, done: true), ErrorIds.NbdReplyInvalid },
        { "a hole with a byte too many", Wire.Chunk(1, NbdChunkType.OffsetHole, done: true, new byte[13]), ErrorIds.NbdReplyInvalid },
        { "success without all the data", Wire.DataChunk(1, 100, done: true, 1, 2), ErrorIds.NbdReplyInvalid },
        { "success without any data", Wire.Chunk(1, NbdChunkType.None, done: true), ErrorIds.NbdReplyInvalid },
        { "none that is not done", Wire.Chunk(1, NbdChunkType.None, done: false), ErrorIds.NbdReplyInvalid },
        { "none with a payload", Wire.Chunk(1, NbdChunkType.None, done: true, 1), ErrorIds.NbdReplyInvalid },
        { "a type that is unknown", Wire.Chunk(1, (NbdChunkType)3, done: true), ErrorIds.NbdReplyInvalid },
        { "a status for a read", Wire.Chunk(1, NbdChunkType.BlockStatus, done: true, [.. Wire.U32(5), .. new byte[8]]), ErrorIds.NbdReplyInvalid },
        { "a status of another context", Wire.Chunk(2, NbdChunkType.BlockStatus, done: true, [.. Wire.U32(6), .. Wire.U64(1ul << 32)]), ErrorIds.NbdReplyInvalid },
        { "a status without extents", Wire.Chunk(2, NbdChunkType.BlockStatus, done: true, Wire.U32(5)), ErrorIds.NbdReplyInvalid },
        { "a status with half an extent", Wire.Chunk(2, NbdChunkType.BlockStatus, done: true, [.. Wire.U32(5), .. new byte[12]]), ErrorIds.NbdReplyInvalid },
        { "an extent without length", Wire.Chunk(2, NbdChunkType.BlockStatus, done: true, [.. Wire.U32(5), .. new byte[8]]), ErrorIds.NbdReplyInvalid },
        { "4 GiB of extents", Patch(Wire.Chunk(2, NbdChunkType.BlockStatus, done: true, [.. Wire.U32(5), .. Wire.U64(1ul << 32)]), 16, Wire.U32(0xfffffffc)), ErrorIds.NbdReplyInvalid },
        { "success without a status", Wire.Chunk(2, NbdChunkType.None, done: true), ErrorIds.NbdReplyInvalid },
        { "an error that is none", Wire.ErrorChunk(1, NbdError.None, string.Empty, done: true), ErrorIds.NbdReplyInvalid },
        { "an error without its fields", Wire.Chunk(1, NbdChunkType.Error, done: true, 0, 0, 0, 5, 0), ErrorIds.NbdReplyInvalid },
        { "an error whose text is beyond the end", Wire.Chunk(1, NbdChunkType.Error, done: true, [.. Wire.U32(5), .. Wire.U16(1)]), ErrorIds.NbdReplyInvalid },
        { "an error of 4 GiB", Patch(Wire.ErrorChunk(1, NbdError.InputOutput, string.Empty, done: true), 16, Wire.U32(uint.MaxValue)), ErrorIds.NbdReplyInvalid },
    };

    [Theory]
    [MemberData(nameof(Replies))]
    public void A_reply_ends_the_connection_with_its_error(string what, byte[] fromServer, string errorId)
    {
        var calls = new NbdCalls();
        calls.Add(new NbdCall(NbdCommand.Read, NbdCommandFlags.None, 100, 4, new byte[4]));
        calls.Add(new NbdCall(NbdCommand.BlockStatus, NbdCommandFlags.None, 0, 4096));
        var reader = new NbdReplyReader(
            new NbdAgreement(1 << 20, NbdTransmissionFlags.HasFlags) { StructuredReplies = true, AllocationContext = 5 }, calls);

        var error = Assert.Throws<ProtocolException>(() => Feed.All(reader.Advance, fromServer));

        Assert.True(error.ErrorId == errorId, $"{what}: {error.Message}");
    }

    [Fact]
    public void A_chunk_without_structured_replies_is_refused()
    {
        var calls = new NbdCalls();
        calls.Add(new NbdCall(NbdCommand.Read, NbdCommandFlags.None, 100, 4, new byte[4]));
        var reader = new NbdReplyReader(new NbdAgreement(1 << 20, NbdTransmissionFlags.HasFlags), calls);

        var error = Assert.Throws<ProtocolException>(() => Feed.All(reader.Advance, Wire.DataChunk(1, 100, done: true, 1, 2, 3, 4)));

        Assert.Equal(ErrorIds.NbdReplyInvalid, error.ErrorId);
    }

    private static byte[] Gone(ulong size = 1 << 20, uint minimum = 512, uint preferred = 4096, uint payload = 1 << 20) =>
    [
        .. s_toGo,
        .. Wire.OptionReply(Go, Info, [.. Wire.U16(0), .. Wire.U64(size), .. Wire.U16(0x0ded)]),
        .. Wire.OptionReply(Go, Info, [.. Wire.U16(3), .. Wire.U32(minimum), .. Wire.U32(preferred), .. Wire.U32(payload)]),
        .. Wire.OptionReply(Go, NbdOptionReplyType.Ack),
    ];

    private static byte[] Patch(byte[] message, int at, params byte[] value)
    {
        value.CopyTo(message, at);
        return message;
    }
}
