using System.Buffers;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Tests.Nbd;

namespace VmCrypt.Core.Tests.Block.Nbd;

public sealed class NbdClientHandshakeTests
{
    private static readonly byte[] s_exportInfo = [.. Wire.U16(0), .. Wire.U64(1 << 20), .. Wire.U16(0x0ded)];

    private readonly ArrayBufferWriter<byte> _output = new();

    [Fact]
    public void Asks_a_modern_server_for_everything()
    {
        var handshake = new NbdClientHandshake("disk", tls: false, _output);

        Expect(handshake, Wire.Greeting, [.. Wire.U32(3), .. Wire.Option(NbdOption.StructuredReply)]);
        Expect(handshake, Wire.OptionReply(NbdOption.StructuredReply, NbdOptionReplyType.Ack),
            Wire.Option(NbdOption.SetMetaContext, Wire.Contexts("disk", "base:allocation")));
        Expect(handshake,
            [
                .. Wire.OptionReply(NbdOption.SetMetaContext, NbdOptionReplyType.MetaContext, [.. Wire.U32(77), .. "base:allocation"u8]),
                .. Wire.OptionReply(NbdOption.SetMetaContext, NbdOptionReplyType.Ack),
            ],
            Wire.Go("disk", (int)NbdInfoType.BlockSize));
        Expect(handshake,
            [
                .. Wire.OptionReply(NbdOption.Go, NbdOptionReplyType.Info, [.. Wire.U16(4711), .. "unknown"u8]),
                .. Wire.OptionReply(NbdOption.Go, NbdOptionReplyType.Info, [.. Wire.U16(3), .. Wire.U32(512), .. Wire.U32(8192), .. Wire.U32(1 << 20)]),
                .. Wire.OptionReply(NbdOption.Go, NbdOptionReplyType.Info, s_exportInfo),
                .. Wire.OptionReply(NbdOption.Go, NbdOptionReplyType.Ack),
            ],
            []);

        Assert.Equal(
            new NbdAgreement(1 << 20, (NbdTransmissionFlags)0x0ded)
            {
                StructuredReplies = true,
                AllocationContext = 77,
                MinimumBlock = 512,
                PreferredBlock = 8192,
                MaximumPayload = 1 << 20,
            },
            handshake.Agreement);
    }

    [Fact]
    public void Takes_a_server_without_options_as_it_is()
    {
        var handshake = new NbdClientHandshake("disk", tls: false, _output);

        Expect(handshake, Wire.Greeting, [.. Wire.U32(3), .. Wire.Option(NbdOption.StructuredReply)]);
        Expect(handshake, Wire.OptionReply(NbdOption.StructuredReply, NbdOptionReplyType.ErrorUnsupported), Wire.Go("disk", 3));
        Expect(handshake, Wire.OptionReply(NbdOption.Go, NbdOptionReplyType.ErrorUnsupported), Wire.Option(NbdOption.ExportName, [.. "disk"u8]));
        Expect(handshake, [.. Wire.U64(4096), .. Wire.U16(1)], []);

        Assert.Equal(new NbdAgreement(4096, NbdTransmissionFlags.HasFlags), handshake.Agreement);
    }

    [Fact]
    public void Takes_a_server_of_the_first_newstyle_with_its_padding()
    {
        var handshake = new NbdClientHandshake("disk", tls: false, _output);

        Expect(handshake, [.. "NBDMAGICIHAVEOPT"u8, 0, 0], [.. Wire.U32(0), .. Wire.Option(NbdOption.ExportName, [.. "disk"u8])]);
        Expect(handshake, [.. Wire.U64(4096), .. Wire.U16(3), .. new byte[124]], []);

        Assert.True(handshake.Agreement!.Has(NbdTransmissionFlags.ReadOnly));
    }

    [Fact]
    public void Goes_on_without_extents_where_they_are_refused()
    {
        var handshake = new NbdClientHandshake("disk", tls: false, _output);
        Feed.All(handshake.Advance, [.. Wire.Greeting, .. Wire.OptionReply(NbdOption.StructuredReply, NbdOptionReplyType.Ack)]);
        _output.ResetWrittenCount();

        Expect(handshake, Wire.OptionReply(NbdOption.SetMetaContext, NbdOptionReplyType.ErrorPolicy), Wire.Go("disk", 3));
        Expect(handshake,
            [.. Wire.OptionReply(NbdOption.Go, NbdOptionReplyType.Info, s_exportInfo), .. Wire.OptionReply(NbdOption.Go, NbdOptionReplyType.Ack)], []);

        Assert.Null(handshake.Agreement!.AllocationContext);
        Assert.True(handshake.Agreement.StructuredReplies);
    }

    [Fact]
    public void Lists_and_leaves()
    {
        var handshake = new NbdClientHandshake(export: null, tls: false, _output);

        Expect(handshake, Wire.Greeting, [.. Wire.U32(3), .. Wire.Option(NbdOption.List)]);
        Expect(handshake,
            [
                .. Wire.OptionReply(NbdOption.List, NbdOptionReplyType.Server, [.. Wire.Text("a"), .. "with a\u001b[31m trick"u8]),
                .. Wire.OptionReply(NbdOption.List, NbdOptionReplyType.Server, Wire.Text(string.Empty)),
                .. Wire.OptionReply(NbdOption.List, NbdOptionReplyType.Ack),
            ],
            Wire.Option(NbdOption.Abort));

        Assert.Equal([new NbdExportInfo("a", "with a [31m trick"), new NbdExportInfo(string.Empty, string.Empty)], handshake.Exports!);
    }

    [Fact]
    public void Agrees_with_our_server_however_the_bytes_come()
    {
        byte[] fromServer = Dialogue(serverWay: 0, clientWay: 0, []).FromServer;
        foreach (int way in Feed.Ways(fromServer))
        {
            (NbdAgreement client, NbdAgreement server, _) = Dialogue(way, way, fromServer);
            Assert.Equal(server, client);
        }
    }

    [Fact]
    public void A_server_that_hangs_up_after_EXPORT_NAME_has_no_such_export()
    {
        var handshake = new NbdClientHandshake("disk", tls: false, _output);
        Assert.Equal(ErrorIds.NbdConnectionLost, handshake.HungUp().ErrorId);

        Feed.All(handshake.Advance, [.. "NBDMAGICIHAVEOPT"u8, 0, 0]);

        Assert.Equal(ErrorIds.NbdExportNotFound, handshake.HungUp().ErrorId);
    }

    private void Expect(NbdClientHandshake handshake, byte[] input, byte[] output)
    {
        Feed.All(handshake.Advance, input);
        Assert.Equal(output, _output.Taken());
    }

    /// <summary>Lets the two sides talk; the client gets each of the server's messages in the given way.</summary>
    private static (NbdAgreement Client, NbdAgreement Server, byte[] FromServer) Dialogue(int serverWay, int clientWay, byte[] expected)
    {
        var toClient = new ArrayBufferWriter<byte>();
        var toServer = new ArrayBufferWriter<byte>();
        var server = new NbdServerHandshake(new NbdExportTable([new NbdExport("disk", new MemoryDevice(1 << 20))]), NbdTlsMode.Off, toClient);
        var client = new NbdClientHandshake("disk", tls: false, toServer);
        var log = new List<byte>();
        while (client.Agreement is null)
        {
            byte[] fromServer = toClient.Taken();
            log.AddRange(fromServer);
            Feed.By(Math.Min(clientWay, fromServer.Length), client.Advance, fromServer);
            byte[] fromClient = toServer.Taken();
            Feed.By(Math.Min(serverWay, fromClient.Length), server.Advance, fromClient);
        }

        Assert.True(expected.Length == 0 || expected.AsSpan().SequenceEqual(log.ToArray()));
        return (client.Agreement, server.Agreement!, [.. log]);
    }
}
