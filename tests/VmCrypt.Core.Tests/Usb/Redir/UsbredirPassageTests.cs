using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb;
using VmCrypt.Core.Usb.Redir;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Tests.Usb.Redir;

/// <summary>Every packet of the protocol passes unharmed, in pieces of any size, for every set of capabilities.</summary>
public sealed class UsbredirPassageTests
{
    private static readonly UsbRuleSet s_everything = new(new UsbWhitelist { Rules = [new UsbRule { Allow = true }] });

    public static TheoryData<uint, uint> CapabilityPairs() => new()
    {
        { 0xff, 0xff }, { 0, 0 }, { 0xff, 0 }, { 0, 0xff }, { 0xdf, 0xff }, { 0xff, 0xbf }, { 0xfe, 0xff }, { 0xef, 0xff }, { 0xfd, 0xff }, { 0x7f, 0xff },
    };

    [Theory]
    [MemberData(nameof(CapabilityPairs))]
    public void Every_packet_passes_in_pieces_of_any_size(uint hostCaps, uint guestCaps)
    {
        uint common = Sound(hostCaps) & Sound(guestCaps);
        var packets = new RedirPackets { Caps = common };
        byte[] fromHost = [.. RedirPackets.Hello(hostCaps), .. packets.EndpointInfo(), .. packets.Interfaces(UsbClassCode.Parse("08:06:50")), .. packets.Connect(1, 2), .. FromHost(packets, common)];
        byte[] fromGuest = [.. RedirPackets.Hello(guestCaps), .. FromGuest(packets, common)];

        foreach (int piece in new[] { int.MaxValue, 1, 3, 17, 1000 })
        {
            var firewall = new UsbredirFirewall(() => s_everything, TimeProvider.System, (_, _, _) => { });
            Feed(firewall, UsbredirSide.Host, fromHost, piece);
            Feed(firewall, UsbredirSide.Guest, fromGuest, piece);

            Assert.Equal(fromHost, firewall.Guest.Out.WrittenSpan.ToArray());
            Assert.Equal(fromGuest, firewall.Host.Out.WrittenSpan.ToArray());
        }
    }

    [Theory]
    [InlineData(true, 1000u, 0, "an unknown type")]
    [InlineData(true, 3u, 0, "reset is the guest's")]
    [InlineData(false, 1u, 10, "device_connect is the host's")]
    [InlineData(false, 104u, 10, "buffered bulk is the host's")]
    [InlineData(true, 1u, 9, "device_connect is too short")]
    [InlineData(true, 1u, 11, "device_connect is too long")]
    [InlineData(true, 4u, 131, "interface_info is too short")]
    [InlineData(true, 5u, 160, "ep_info lacks the streams")]
    [InlineData(true, 2u, 1, "device_disconnect has data")]
    [InlineData(true, 0u, 68, "a second hello")]
    [InlineData(false, 23u, 0, "an empty filter")]
    [InlineData(true, 101u, 9, "a bulk packet's header is cut off")]
    public void Refuses_packets_that_break_the_protocol(bool fromHost, uint type, int length, string why) =>
        AssertRefused(fromHost ? UsbredirSide.Host : UsbredirSide.Guest, new RedirPackets().Packet(type, 1, new byte[length]), why);

    [Fact]
    public void Refuses_lengths_that_contradict_each_other()
    {
        var packets = new RedirPackets();
        byte[] bulk = packets.Bulk(1, 0x81, 4, data: [1, 2, 3, 4, 5]);
        byte[] wrongWay = packets.Bulk(1, 0x81, 4, data: [1, 2, 3, 4]);
        byte[] isoWrongWay = packets.Packet(102, 1, [0x81, 0, 0, 0]);
        byte[] interruptWrongWay = packets.Packet(103, 1, [0x81, 0, 0, 0]);
        byte[] tooManyInterfaces = packets.Interfaces(new UsbClassCode[33]);

        AssertRefused(UsbredirSide.Host, bulk, "more data than the header says");
        AssertRefused(UsbredirSide.Guest, wrongWay, "data against the endpoint's direction");
        AssertRefused(UsbredirSide.Guest, isoWrongWay, "iso input from the guest");
        AssertRefused(UsbredirSide.Guest, interruptWrongWay, "interrupt input from the guest");
        AssertRefused(UsbredirSide.Host, tooManyInterfaces, "33 interfaces");
        AssertRefused(UsbredirSide.Host, packets.Packet(23, 0, new byte[UsbredirFormat.MaxFilterLength + 1]), "a filter of more than a MiB");
        AssertRefused(UsbredirSide.Host, packets.Bulk(1, 0x81, UsbredirFormat.MaxBulkLength + 1), "a bulk transfer of more than 128 MiB");
    }

    [Fact]
    public void Refuses_a_first_packet_that_is_no_hello()
    {
        var firewall = new UsbredirFirewall(() => s_everything, TimeProvider.System, (_, _, _) => { });
        var short32 = new RedirPackets { Caps = 0 };

        Assert.Equal(ErrorIds.UsbredirInvalid, Assert.Throws<ProtocolException>(() => firewall.Receive(UsbredirSide.Host, short32.Connect(1, 2))).ErrorId);
    }

    [Fact]
    public void Refuses_to_hold_more_than_a_MiB_before_the_other_sides_hello()
    {
        var firewall = new UsbredirFirewall(() => s_everything, TimeProvider.System, (_, _, _) => { });
        firewall.Receive(UsbredirSide.Host, RedirPackets.Hello());
        firewall.Receive(UsbredirSide.Host, new byte[1024 * 1024]);

        Assert.Equal(ErrorIds.UsbredirInvalid, Assert.Throws<ProtocolException>(() => firewall.Receive(UsbredirSide.Host, new byte[1])).ErrorId);
    }

    private static void AssertRefused(UsbredirSide from, byte[] bytes, string why)
    {
        var firewall = new UsbredirFirewall(() => s_everything, TimeProvider.System, (_, _, _) => { });
        firewall.Receive(UsbredirSide.Host, RedirPackets.Hello());
        firewall.Receive(UsbredirSide.Guest, RedirPackets.Hello());
        try
        {
            firewall.Receive(from, bytes);
            Assert.Fail($"passed: {why}");
        }
        catch (ProtocolException fault)
        {
            Assert.Equal(ErrorIds.UsbredirInvalid, fault.ErrorId);
        }
    }

    private static byte[] FromHost(RedirPackets packets, uint common) =>
    [
        .. packets.Packet(8, 1, 0, 1), .. packets.Packet(11, 2, 0, 0, 0), .. packets.Packet(14, 3, 0, 0x82), .. packets.Packet(17, 4, 0, 0x81),
        .. packets.Packet(20, 5, new byte[9]), .. packets.Packet(27, 6, new byte[6]), .. packets.Packet(23, 0, "-1,-1,-1,-1,1\0"u8),
        .. packets.Control(7, 0x80, 1, 0xc0, 0, 0, 0, 3, 1, 2, 3), .. packets.Control(8, 0x00, 1, 0x40, 0, 0, 0, 3),
        .. packets.Bulk(9, 0x81, 5, 0, 1, 1, 2, 3, 4, 5), .. packets.Bulk(10, 0x01, 512), .. packets.Bulk(11, 0x81, 0), .. Large(packets, common, 0x81),
        .. packets.Packet(102, 12, [0x82, 0, 2, 0, 9, 9]), .. packets.Packet(103, 13, [0x83, 0, 1, 0, 7]), .. packets.Packet(103, 14, [0x03, 0, 8, 0]),
        .. packets.Packet(104, 15, [0, 0, 0, 0, 3, 0, 0, 0, 0x81, 0, 4, 5, 6]),
        .. packets.Interfaces(UsbClassCode.Parse("08:06:62")), .. packets.EndpointInfo(), .. packets.Disconnect(),
        .. packets.EndpointInfo(), .. packets.Interfaces(UsbClassCode.Parse("03:01:01")), .. packets.Connect(3, 4),
    ];

    private static byte[] FromGuest(RedirPackets packets, uint common) =>
    [
        .. packets.Packet(23, 0, "0x08,-1,-1,-1,1|\0"u8), .. packets.Packet(3, 1), .. packets.Packet(6, 2, 1), .. packets.Packet(7, 3), .. packets.Packet(9, 4, 0, 1),
        .. packets.Packet(10, 5, 0), .. packets.Packet(12, 6, 0x82, 8, 4), .. packets.Packet(13, 7, 0x82), .. packets.Packet(15, 8, 0x83), .. packets.Packet(16, 9, 0x83),
        .. packets.Packet(18, 10, new byte[8]), .. packets.Packet(19, 11, new byte[4]), .. packets.Packet(21, 12), .. packets.Packet(24, 0),
        .. packets.Packet(25, 13, new byte[10]), .. packets.Packet(26, 14, new byte[5]),
        .. packets.Control(15, 0x80, 1, 0xc0, 0, 0, 0, 300), .. packets.Control(16, 0x00, 1, 0x40, 0, 0, 0, 2, 1, 2),
        .. packets.Bulk(17, 0x81, 4096), .. packets.Bulk(18, 0x01, 3, 0, 2, 7, 8, 9), .. Large(packets, common, 0x01),
        .. packets.Packet(102, 19, [0x02, 0, 1, 0, 5]), .. packets.Packet(103, 20, [0x03, 0, 2, 0, 5, 6]),
    ];

    // Beyond 65535 bytes only where both sides can say so.
    private static byte[] Large(RedirPackets packets, uint common, byte endpoint)
    {
        byte[] data = new byte[(common & 0x40) != 0 ? 200_000 : 60_000];
        new Random(7).NextBytes(data);
        return packets.Bulk(30, endpoint, data.Length, data: data);
    }

    private static uint Sound(uint caps) => (caps & 0x10) != 0 ? caps : caps & ~1u;

    private static void Feed(UsbredirFirewall firewall, UsbredirSide from, byte[] bytes, int piece)
    {
        for (int at = 0; at < bytes.Length; at += Math.Min(piece, bytes.Length - at))
        {
            firewall.Receive(from, bytes.AsSpan(at, Math.Min(piece, bytes.Length - at)));
        }
    }
}
