using System.Buffers;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Tests.Nbd;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Evil.Nbd;

/// <summary>One field of a good message is changed per row; the server answers with one exact error, or ends the connection with one exact id.</summary>
public sealed class HostileClientTests
{
    private const NbdOption Go = NbdOption.Go;
    private const NbdOption Set = NbdOption.SetMetaContext;

    public static TheoryData<string, byte[], string> Endings() => new()
    {
        { "a client flag that was not offered", Wire.U32(4 | 3), ErrorIds.NbdClientFlagsInvalid },
        { "the magic of an option", [.. Wire.U32(3), .. Patch(Wire.Go("disk"), 0, 0x48)], ErrorIds.NbdOptionInvalid },
        { "an option longer than any", [.. Wire.U32(3), .. Patch(Wire.Go("disk"), 12, Wire.U32(NbdLimits.MaxOption + 1))], ErrorIds.NbdOptionInvalid },
        { "an option of 4 GiB", [.. Wire.U32(3), .. Patch(Wire.Go("disk"), 12, Wire.U32(uint.MaxValue))], ErrorIds.NbdOptionInvalid },
        { "an unknown option of 4 GiB", [.. Wire.U32(3), .. Patch(Wire.Option((NbdOption)4711), 12, Wire.U32(uint.MaxValue))], ErrorIds.NbdOptionInvalid },
    };

    [Theory]
    [MemberData(nameof(Endings))]
    public void A_handshake_that_cannot_be_understood_ends(string what, byte[] input, string errorId)
    {
        var handshake = new NbdServerHandshake(Exports(), NbdTlsMode.Off, new ArrayBufferWriter<byte>());

        var error = Assert.Throws<ProtocolException>(() => Feed.All(handshake.Advance, input));

        Assert.True(error.ErrorId == errorId, what);
    }

    public static TheoryData<string, byte[], uint> Refusals() => new()
    {
        { "LIST with data", Wire.Option(NbdOption.List, 1), 3 },
        { "STRUCTURED_REPLY with data", Wire.Option(NbdOption.StructuredReply, 1), 3 },
        { "STARTTLS where there is none", Wire.Option(NbdOption.StartTls), 2 },
        { "STARTTLS with data", Wire.Option(NbdOption.StartTls, 1), 3 },
        { "PEEK_EXPORT", Wire.Option((NbdOption)4), 1 },
        { "EXTENDED_HEADERS", Wire.Option((NbdOption)11), 1 },
        { "option 0", Wire.Option(default), 1 },
        { "an unknown option", Wire.Option((NbdOption)uint.MaxValue, 1, 2, 3), 1 },
        { "GO without data", Wire.Option(Go), 3 },
        { "GO with half a length", Wire.Option(Go, 0, 0), 3 },
        { "GO whose name is longer than the option", Wire.Option(Go, Patch(Wire.Info("disk"), 0, Wire.U32(7))), 3 },
        { "GO whose name has 4 GiB", Wire.Option(Go, Patch(Wire.Info("disk"), 0, Wire.U32(uint.MaxValue))), 3 },
        { "GO whose name has -1 bytes and no requests", Wire.Option(Go, Patch(Wire.Info("disk"), 0, Wire.U32(0x80000000))), 3 },
        { "GO with fewer requests than announced", Wire.Option(Go, Patch(Wire.Info("disk", 3), 8, Wire.U16(2))), 3 },
        { "GO with 65535 requests announced", Wire.Option(Go, Patch(Wire.Info("disk", 3), 8, Wire.U16(65535))), 3 },
        { "GO with more requests than announced", Wire.Option(Go, Patch(Wire.Info("disk", 3), 8, Wire.U16(0))), 3 },
        { "GO with a byte too many", Wire.Option(Go, [.. Wire.Info("disk"), 0]), 3 },
        { "GO with a name that is not UTF-8", Wire.Option(Go, Patch(Wire.Info("disk"), 5, 0xff)), 3 },
        { "GO with a NUL in the name", Wire.Option(Go, Patch(Wire.Info("disk"), 5, 0)), 3 },
        { "GO with a name of 4097 bytes", Wire.Option(Go, Wire.Info(new string('x', 4097))), 3 },
        { "GO to nowhere", Wire.Go("disc"), 6 },
        { "GO to the default where there is none", Wire.Go(string.Empty), 6 },
        { "SET_META_CONTEXT without data", Wire.Option(Set), 3 },
        { "SET_META_CONTEXT for nowhere", Wire.Option(Set, Wire.Contexts("disc", "base:allocation")), 6 },
        { "SET_META_CONTEXT without its count", Wire.Option(Set, Wire.Text("disk")), 3 },
        { "SET_META_CONTEXT with 4 Gi queries announced", Wire.Option(Set, Patch(Wire.Contexts("disk", "base:"), 8, Wire.U32(uint.MaxValue))), 3 },
        { "SET_META_CONTEXT with more queries than announced", Wire.Option(Set, Patch(Wire.Contexts("disk", "base:"), 8, Wire.U32(0))), 3 },
        { "SET_META_CONTEXT with a query beyond the end", Wire.Option(Set, Patch(Wire.Contexts("disk", "base:"), 12, Wire.U32(6))), 3 },
        { "SET_META_CONTEXT with a query of 4 GiB", Wire.Option(Set, Patch(Wire.Contexts("disk", "base:"), 12, Wire.U32(uint.MaxValue))), 3 },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public void An_option_that_is_wrong_is_refused_and_the_next_one_served(string what, byte[] option, uint error)
    {
        var output = new ArrayBufferWriter<byte>();
        var handshake = new NbdServerHandshake(Exports(), NbdTlsMode.Off, output);
        Feed.All(handshake.Advance, [.. Wire.U32(3), .. Wire.Option(NbdOption.StructuredReply)]);
        output.ResetWrittenCount();

        Feed.All(handshake.Advance, option);
        byte[] expected = Wire.OptionReply(NbdOptionHeader.Parse(option).Option, (NbdOptionReplyType)(0x80000000 | error));
        Assert.True(expected.AsSpan().SequenceEqual(output.Taken()), what);

        Feed.All(handshake.Advance, Wire.Go("disk"));
        Assert.Equal(NbdServerStage.Transmission, handshake.Stage);
        Assert.Null(handshake.Agreement!.AllocationContext);
    }

    [Fact]
    public void Contexts_without_structured_replies_are_refused()
    {
        var output = new ArrayBufferWriter<byte>();
        var handshake = new NbdServerHandshake(Exports(), NbdTlsMode.Off, output);
        Feed.All(handshake.Advance, Wire.U32(3));
        output.ResetWrittenCount();

        Feed.All(handshake.Advance, Wire.Option(Set, Wire.Contexts("disk", "base:allocation")));

        Assert.Equal(Wire.OptionReply(Set, NbdOptionReplyType.ErrorInvalid), output.Taken());
    }

    [Theory]
    [InlineData("the magic of a request", 0, 0x26)]
    [InlineData("an old magic", 3, 0x14)]
    [InlineData("a write of 64 MiB and a byte", 24, 0x04)]
    [InlineData("a write of 2 GiB", 24, 0x80)]
    public void A_request_that_cannot_be_understood_ends_the_connection(string what, int at, byte value)
    {
        using var buffers = new NbdBufferPool();
        var reader = new NbdRequestReader(new NbdAgreement(long.MaxValue, (NbdTransmissionFlags)0x0d6d), buffers);
        byte[] request = Patch(Wire.Request(NbdCommand.Write, 0, 1), at, value);

        var error = Assert.Throws<ProtocolException>(() => reader.Advance(request, out _));

        Assert.True(error.ErrorId == ErrorIds.NbdRequestInvalid, what);
    }

    [Theory]
    [InlineData("beyond the end", NbdCommand.Write, 64ul << 20, 1u, 0, NbdError.NoSpace)]
    [InlineData("an offset that overflows", NbdCommand.Write, ulong.MaxValue, 2u, 0, NbdError.NoSpace)]
    [InlineData("a flag that does not exist", NbdCommand.Write, 0ul, 4u, 0x40, NbdError.Invalid)]
    [InlineData("a flag of another command", NbdCommand.Write, 0ul, 4u, 0x10, NbdError.Invalid)]
    [InlineData("more than was agreed on", NbdCommand.Write, 0ul, 33u << 20, 0, NbdError.Invalid)]
    internal void A_write_that_is_refused_is_skipped_and_the_next_request_understood(
        string what, NbdCommand command, ulong offset, uint length, int flags, NbdError expected)
    {
        using var buffers = new NbdBufferPool();
        var reader = new NbdRequestReader(new NbdAgreement(64 << 20, (NbdTransmissionFlags)0x0d6d), buffers);
        var found = new List<NbdIncoming>();
        byte[] stream =
        [
            .. Wire.Request(command, offset, length, cookie: 1, (NbdCommandFlags)flags), .. new byte[length],
            .. Wire.Request(NbdCommand.Flush, 0, 0, cookie: 2),
        ];

        Feed.All(input =>
        {
            int taken = reader.Advance(input, out NbdIncoming? incoming);
            found.AddRange(incoming is { } whole ? [whole] : []);
            return taken;
        }, stream);

        Assert.True(found.Select(incoming => (incoming.Request.Cookie, incoming.Verdict)).SequenceEqual([(1ul, expected), (2ul, NbdError.None)]), what);
        Assert.Null(found[0].Data);
    }

    [Fact]
    public async Task Nonsense_ends_its_own_connection_and_no_other()
    {
        var heard = new List<string>();
        await using TestServer server = await TestServer.StartAsync(new MemoryDevice(4096), options => options with
        {
            OnFault = (_, fault) =>
            {
                lock (heard)
                {
                    heard.Add(((VmCryptException)fault).ErrorId);
                }
            },
        });
        using RawClient good = RawClient.Open(server.Server);
        using RawClient early = RawClient.Connect(server.Server);
        using RawClient late = RawClient.Open(server.Server);

        early.Send(Wire.U32(uint.MaxValue));
        late.Send(new byte[100]);

        Assert.True(early.IsHungUp());
        Assert.True(late.IsHungUp());
        good.Send(Wire.Request(NbdCommand.Read, 0, 4));
        Assert.Equal(NbdError.None, good.ReadError(1));
        await NbdServerTests.UntilAsync(() => server.Server.Clients.Count == 1);
        Assert.Equal([ErrorIds.NbdClientFlagsInvalid, ErrorIds.NbdRequestInvalid], heard.Order(StringComparer.Ordinal));
    }

    private static NbdExportTable Exports() => new([new NbdExport("disk", new MemoryDevice(65536))]);

    private static byte[] Patch(byte[] message, int at, params byte[] value)
    {
        value.CopyTo(message, at);
        return message;
    }
}
