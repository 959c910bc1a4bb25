using System.Buffers;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Nbd;

namespace VmCrypt.Core.Tests.Nbd;

public sealed class NbdServerHandshakeTests
{
    private const string ExportFlags = "0d6d"; // has flags, flush, FUA, trim, write zeroes, multi-conn, cache, fast zero

    private readonly ArrayBufferWriter<byte> _output = new();

    [Fact]
    public void Greets_as_fixed_newstyle()
    {
        _ = Start();

        Assert.Equal([.. "NBDMAGICIHAVEOPT"u8, 0, 3], _output.Taken());
    }

    [Fact]
    public void Lists_names_and_descriptions()
    {
        byte[] answer = Answer(Wire.Option(NbdOption.List));

        Assert.Equal(
            [
                .. Wire.OptionReply(NbdOption.List, NbdOptionReplyType.Server, [.. Wire.Text("disk"), .. "a disk"u8]),
                .. Wire.OptionReply(NbdOption.List, NbdOptionReplyType.Server, [.. Wire.Text("locked")]),
                .. Wire.OptionReply(NbdOption.List, NbdOptionReplyType.Ack),
            ],
            answer);
    }

    [Fact]
    public void Go_tells_size_flags_and_what_was_asked_and_ends_the_handshake()
    {
        NbdServerHandshake handshake = Started();

        Feed.All(handshake.Advance, Wire.Go("disk", (int)NbdInfoType.Name, (int)NbdInfoType.Description, (int)NbdInfoType.BlockSize));

        Assert.Equal(
            [
                .. Wire.OptionReply(NbdOption.Go, NbdOptionReplyType.Info, [.. Wire.U16(0), .. Wire.U64(65536), .. Convert.FromHexString(ExportFlags)]),
                .. Wire.OptionReply(NbdOption.Go, NbdOptionReplyType.Info, [.. Wire.U16(1), .. "disk"u8]),
                .. Wire.OptionReply(NbdOption.Go, NbdOptionReplyType.Info, [.. Wire.U16(2), .. "a disk"u8]),
                .. Wire.OptionReply(NbdOption.Go, NbdOptionReplyType.Info, [.. Wire.U16(3), .. Wire.U32(1), .. Wire.U32(4096), .. Wire.U32(32 << 20)]),
                .. Wire.OptionReply(NbdOption.Go, NbdOptionReplyType.Ack),
            ],
            _output.Taken());
        Assert.Equal(NbdServerStage.Transmission, handshake.Stage);
        Assert.Equal("disk", handshake.Export!.Name);
        Assert.False(handshake.Agreement!.StructuredReplies);
    }

    [Fact]
    public void Info_tells_the_same_and_the_client_may_go_on()
    {
        NbdServerHandshake handshake = Started();

        Feed.All(handshake.Advance, Wire.Option(NbdOption.Info, Wire.Info("locked")));

        Assert.Equal(
            [
                .. Wire.OptionReply(NbdOption.Info, NbdOptionReplyType.Info, [.. Wire.U16(0), .. Wire.U64(4096), .. Convert.FromHexString("050f")]),
                .. Wire.OptionReply(NbdOption.Info, NbdOptionReplyType.Ack),
            ],
            _output.Taken());
        Assert.Equal(NbdServerStage.Options, handshake.Stage);
    }

    [Theory]
    [InlineData(3u, 10)]
    [InlineData(1u, 134)]
    public void Export_name_pads_only_for_clients_that_want_it(uint clientFlags, int length)
    {
        NbdServerHandshake handshake = Start();
        _output.ResetWrittenCount();

        Feed.All(handshake.Advance, [.. Wire.U32(clientFlags), .. Wire.Option(NbdOption.ExportName, [.. "disk"u8])]);

        byte[] expected = new byte[length];
        Wire.U64(65536).CopyTo(expected, 0);
        Convert.FromHexString(ExportFlags).CopyTo(expected, 8);
        Assert.Equal(expected, _output.Taken());
        Assert.Equal(NbdServerStage.Transmission, handshake.Stage);
    }

    [Fact]
    public void Export_name_hangs_up_on_an_unknown_name()
    {
        NbdServerHandshake handshake = Started();

        Feed.All(handshake.Advance, Wire.Option(NbdOption.ExportName, [.. "other"u8]));

        Assert.Empty(_output.Taken());
        Assert.Equal(NbdServerStage.Closed, handshake.Stage);
    }

    [Fact]
    public void Abort_is_acknowledged_whatever_it_carries()
    {
        NbdServerHandshake handshake = Started();

        Feed.All(handshake.Advance, Wire.Option(NbdOption.Abort, 1, 2, 3));

        Assert.Equal(Wire.OptionReply(NbdOption.Abort, NbdOptionReplyType.Ack), _output.Taken());
        Assert.Equal(NbdServerStage.Closed, handshake.Stage);
    }

    [Fact]
    public void Structured_replies_bring_DF_and_base_allocation()
    {
        NbdServerHandshake handshake = Started();

        Feed.All(handshake.Advance,
            [
                .. Wire.Option(NbdOption.StructuredReply),
                .. Wire.Option(NbdOption.ListMetaContext, Wire.Contexts("disk")),
                .. Wire.Option(NbdOption.SetMetaContext, Wire.Contexts("disk", "qemu:dirty-bitmap:b", "base:allocation")),
                .. Wire.Go("disk"),
            ]);

        Assert.Equal(
            [
                .. Wire.OptionReply(NbdOption.StructuredReply, NbdOptionReplyType.Ack),
                .. Wire.OptionReply(NbdOption.ListMetaContext, NbdOptionReplyType.MetaContext, [.. Wire.U32(0), .. "base:allocation"u8]),
                .. Wire.OptionReply(NbdOption.ListMetaContext, NbdOptionReplyType.Ack),
                .. Wire.OptionReply(NbdOption.SetMetaContext, NbdOptionReplyType.MetaContext, [.. Wire.U32(1), .. "base:allocation"u8]),
                .. Wire.OptionReply(NbdOption.SetMetaContext, NbdOptionReplyType.Ack),
                .. Wire.OptionReply(NbdOption.Go, NbdOptionReplyType.Info, [.. Wire.U16(0), .. Wire.U64(65536), .. Convert.FromHexString("0ded")]),
                .. Wire.OptionReply(NbdOption.Go, NbdOptionReplyType.Ack),
            ],
            _output.Taken());
        Assert.True(handshake.Agreement!.StructuredReplies);
        Assert.Equal(1u, handshake.Agreement.AllocationContext);
    }

    [Theory]
    [InlineData(true, "base:")]
    [InlineData(true, "base:allocation")]
    [InlineData(false, "base:other")]
    [InlineData(false, "qemu:")]
    [InlineData(false, "nocolon")]
    public void Listing_contexts_takes_a_namespace_for_all_of_it(bool found, string query)
    {
        byte[] answer = Answer(Wire.Option(NbdOption.StructuredReply), Wire.Option(NbdOption.ListMetaContext, Wire.Contexts("disk", query)));

        int expected = Wire.OptionReply(NbdOption.ListMetaContext, NbdOptionReplyType.Ack).Length * (found ? 3 : 2)
            + (found ? 4 + "base:allocation".Length : 0);
        Assert.Equal(expected, answer.Length);
    }

    [Theory]
    [InlineData("disk", "base:", "disk")]
    [InlineData("locked", "base:allocation", "disk")]
    public void Contexts_hold_for_the_export_they_were_set_for_and_need_a_full_name(string setFor, string query, string goTo)
    {
        NbdServerHandshake handshake = Started();

        Feed.All(handshake.Advance,
            [
                .. Wire.Option(NbdOption.StructuredReply),
                .. Wire.Option(NbdOption.SetMetaContext, Wire.Contexts(setFor, query)),
                .. Wire.Go(goTo),
            ]);

        Assert.Null(handshake.Agreement!.AllocationContext);
    }

    [Fact]
    public void Even_a_failed_attempt_clears_the_contexts()
    {
        NbdServerHandshake handshake = Started();

        Feed.All(handshake.Advance,
            [
                .. Wire.Option(NbdOption.StructuredReply),
                .. Wire.Option(NbdOption.SetMetaContext, Wire.Contexts("disk", "base:allocation")),
                .. Wire.Option(NbdOption.SetMetaContext, Wire.Contexts("nowhere", "base:allocation")),
                .. Wire.Go("disk"),
            ]);

        Assert.Null(handshake.Agreement!.AllocationContext);
    }

    [Fact]
    public void Answers_the_same_however_the_bytes_come()
    {
        byte[] dialogue =
        [
            .. Wire.U32(3),
            .. Wire.Option(NbdOption.StructuredReply),
            .. Wire.Option(NbdOption.List),
            .. Wire.Option(NbdOption.SetMetaContext, Wire.Contexts("disk", "base:allocation")),
            .. Wire.Option((NbdOption)4711, 1, 2, 3),
            .. Wire.Go("disk", (int)NbdInfoType.BlockSize),
        ];
        byte[] whole = [];
        foreach (int way in Feed.Ways(dialogue).OrderByDescending(way => way == 0))
        {
            NbdServerHandshake handshake = Start();
            Feed.By(way, handshake.Advance, dialogue);
            byte[] answer = _output.Taken();
            whole = way == 0 ? answer : whole;
            Assert.Equal(whole, answer);
            Assert.Equal(NbdServerStage.Transmission, handshake.Stage);
        }
    }

    [Fact]
    public void Waits_when_a_byte_is_missing()
    {
        NbdServerHandshake handshake = Started();

        Assert.Equal(0, Feed.Some(handshake.Advance, Wire.Go("disk").AsSpan()[..^1]));
        Assert.Equal(NbdServerStage.Options, handshake.Stage);
        Assert.Empty(_output.Taken());
    }

    [Fact]
    public void Leaves_the_requests_behind_GO_to_the_next_reader()
    {
        NbdServerHandshake handshake = Started();
        byte[] go = Wire.Go("disk");

        Assert.Equal(go.Length, Feed.Some(handshake.Advance, [.. go, .. Wire.Request(NbdCommand.Read, 0, 1)]));
    }

    [Fact]
    public void Where_TLS_is_required_everything_before_it_is_refused()
    {
        NbdServerHandshake handshake = Started(NbdTlsMode.Require);
        NbdOption[] options = [NbdOption.List, NbdOption.Info, NbdOption.Go, NbdOption.StructuredReply, NbdOption.ListMetaContext, NbdOption.SetMetaContext, (NbdOption)4711];

        foreach (NbdOption option in options)
        {
            Feed.All(handshake.Advance, Wire.Option(option, Wire.Info("disk")));
            Assert.Equal(Wire.OptionReply(option, NbdOptionReplyType.ErrorTlsRequired), _output.Taken());
        }

        Assert.Equal(NbdServerStage.Options, handshake.Stage);
        Feed.All(handshake.Advance, Wire.Option(NbdOption.ExportName, [.. "disk"u8]));
        Assert.Empty(_output.Taken());
        Assert.Equal(NbdServerStage.Closed, handshake.Stage);
    }

    [Theory]
    [InlineData(NbdTlsMode.On)]
    [InlineData(NbdTlsMode.Require)]
    public void TLS_begins_behind_an_acknowledgement_and_nothing_is_read_before(NbdTlsMode mode)
    {
        NbdServerHandshake handshake = Started(mode);
        byte[] start = Wire.Option(NbdOption.StartTls);

        Assert.Equal(start.Length, Feed.Some(handshake.Advance, [.. start, .. Wire.Option(NbdOption.List)]));

        Assert.Equal(Wire.OptionReply(NbdOption.StartTls, NbdOptionReplyType.Ack), _output.Taken());
        Assert.Equal(NbdServerStage.StartTls, handshake.Stage);
        handshake.TlsStarted();
        Feed.All(handshake.Advance, [.. Wire.Option(NbdOption.StartTls), .. Wire.Go("disk")]);
        Assert.Equal(Wire.OptionReply(NbdOption.StartTls, NbdOptionReplyType.ErrorInvalid), _output.Taken()[..NbdOptionReply.Size]);
        Assert.Equal(NbdServerStage.Transmission, handshake.Stage);
    }

    [Fact]
    public void What_was_settled_in_clear_is_forgotten_in_TLS()
    {
        NbdServerHandshake handshake = Started(NbdTlsMode.On);
        Feed.All(handshake.Advance,
            [.. Wire.Option(NbdOption.StructuredReply), .. Wire.Option(NbdOption.SetMetaContext, Wire.Contexts("disk", "base:allocation")), .. Wire.Option(NbdOption.StartTls)]);

        handshake.TlsStarted();
        Feed.All(handshake.Advance, Wire.Go("disk"));

        Assert.False(handshake.Agreement!.StructuredReplies);
        Assert.Null(handshake.Agreement.AllocationContext);
    }

    private byte[] Answer(params byte[][] options)
    {
        NbdServerHandshake handshake = Started();
        Feed.All(handshake.Advance, options.SelectMany(option => option).ToArray());
        return _output.Taken();
    }

    /// <summary>Behind greeting and client flags.</summary>
    private NbdServerHandshake Started(NbdTlsMode tls = NbdTlsMode.Off)
    {
        NbdServerHandshake handshake = Start(tls);
        Feed.All(handshake.Advance, Wire.U32(3));
        _output.ResetWrittenCount();
        return handshake;
    }

    private NbdServerHandshake Start(NbdTlsMode tls = NbdTlsMode.Off) => new(
        new NbdExportTable(
            [
                new NbdExport("disk", new MemoryDevice(65536)) { Description = "a disk" },
                new NbdExport("locked", new MemoryDevice(4096)) { ReadOnly = true },
            ]),
        tls,
        _output);
}
