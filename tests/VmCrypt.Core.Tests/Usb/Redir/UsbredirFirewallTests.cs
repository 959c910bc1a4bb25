using VmCrypt.Core.Usb.Guard;

namespace VmCrypt.Core.Tests.Usb.Redir;

/// <summary>What passes, what is held back, and how a device is thrown out.</summary>
public sealed class UsbredirFirewallTests : FirewallConversation
{
    [Fact]
    public void An_allowed_device_reaches_the_guest_as_it_was_announced()
    {
        Allow("048d:1169");
        Greet();

        FromHost(Announcement);

        Assert.Equal(Announcement, ToGuest());
        Assert.Empty(ToHost());
        Assert.Equal([UsbEventKind.Plugged, UsbEventKind.Allowed], Events);
        Assert.Equal("048d:1169", Firewall.Shown!.Id);
    }

    [Fact]
    public void The_order_of_usbredirhost_is_as_good_as_that_of_the_document()
    {
        Allow("class=08");
        Greet();

        FromHost([.. Packets.Interfaces(Storage), .. Packets.EndpointInfo(), .. Packets.Connect(0x48d, 0x1169)]);

        Assert.Equal(Announcement, ToGuest());
    }

    [Fact]
    public void A_denied_device_is_never_shown_and_the_host_is_told()
    {
        Greet();

        FromHost(Announcement);
        FromHost(Packets.Bulk(1, 0x81, 4, data: [1, 2, 3, 4]));

        Assert.Empty(ToGuest());
        Assert.Equal(Packets.FilterReject(), ToHost());
        Assert.Null(Firewall.Shown);

        // The guest knows of no device: its acknowledgement is given in its place.
        FromHost(Packets.Disconnect());
        Assert.Equal(Packets.DisconnectAck(), ToHost());
        Assert.Empty(ToGuest());
    }

    [Fact]
    public void A_device_taken_off_the_list_is_disconnected_at_once_and_its_last_packets_are_swallowed()
    {
        Plug("048d:1169");

        Allow();
        Firewall.Recheck();

        Assert.Equal(Packets.Disconnect(), ToGuest());
        Assert.Equal(Packets.FilterReject(), ToHost());
        Assert.Equal(UsbEventKind.Ejected, Events[^1]);

        FromGuest([.. Packets.Bulk(7, 0x81, 512), .. Packets.DisconnectAck()]);
        Assert.Empty(ToHost());
        FromHost([.. Packets.Bulk(6, 0x81, 2, data: [1, 2]), .. Packets.Disconnect()]);
        Assert.Empty(ToGuest());
        Assert.Equal(Packets.DisconnectAck(), ToHost());
    }

    [Fact]
    public void A_device_that_comes_back_before_the_guest_has_acknowledged_gets_none_of_the_old_packets()
    {
        Plug("048d:1169");
        Allow();
        Firewall.Recheck();
        FromHost(Packets.Disconnect());
        Clear();

        Allow("048d:1169");
        FromHost(Announcement);
        Assert.Equal(Announcement, ToGuest());

        FromGuest(Packets.Bulk(7, 0x01, 4, data: [1, 2, 3, 4]));
        Assert.Empty(ToHost());
        FromGuest([.. Packets.DisconnectAck(), .. Packets.Bulk(8, 0x81, 512)]);
        Assert.Equal(Packets.Bulk(8, 0x81, 512), ToHost());
    }

    [Fact]
    public void A_transfer_cut_off_in_the_middle_is_filled_up_so_that_the_guest_stays_in_step()
    {
        Plug("048d:1169");
        byte[] bulk = Packets.Bulk(9, 0x81, 1000, data: [.. Enumerable.Repeat((byte)0xaa, 1000)]);
        FromHost(bulk[..500]);
        Assert.Equal(bulk[..500], ToGuest());

        Allow();
        Firewall.Recheck();
        FromHost(bulk[500..]);

        Assert.Equal([.. new byte[bulk.Length - 500], .. Packets.Disconnect()], ToGuest());
    }

    [Fact]
    public void A_rejection_waits_for_the_end_of_what_the_guest_is_sending()
    {
        Plug("048d:1169");
        byte[] bulk = Packets.Bulk(9, 0x01, 1000, data: new byte[1000]);
        FromGuest(bulk[..500]);

        Allow();
        Firewall.Recheck();
        Assert.Equal(bulk[..500], ToHost());
        FromGuest(bulk[500..]);

        Assert.Equal([.. bulk[500..], .. Packets.FilterReject()], ToHost());
    }

    [Fact]
    public void A_hidden_device_that_is_allowed_now_may_connect_again()
    {
        Greet();
        FromHost(Announcement);

        Allow("048d:1169");
        Firewall.Recheck();

        Assert.NotNull(Firewall.Closing);
    }

    [Fact]
    public void The_guests_own_filter_is_respected()
    {
        Plug("048d:1169");

        FromGuest(Packets.FilterReject());
        Assert.Equal(Packets.FilterReject(), ToHost());
        FromHost(Packets.Disconnect());

        Assert.Empty(ToGuest());
        Assert.Equal(Packets.DisconnectAck(), ToHost());
    }

    [Fact]
    public void Without_acknowledgements_the_connection_pays_for_an_ejection()
    {
        var packets = new RedirPackets { Caps = RedirPackets.AllCaps & ~8u };
        Allow("048d:1169");
        Greet(packets.Caps, RedirPackets.AllCaps);
        FromHost([.. packets.EndpointInfo(), .. packets.Interfaces(Storage), .. packets.Connect(0x48d, 0x1169)]);

        Allow();
        Firewall.Recheck();

        Assert.NotNull(Firewall.Closing);
    }

    [Fact]
    public void Capabilities_of_a_later_version_are_not_passed_on()
    {
        FromHost(RedirPackets.Hello(0xffff_ffff));

        Assert.Equal(RedirPackets.Hello(), ToGuest());
    }

    [Fact]
    public void What_comes_before_the_other_sides_hello_waits_for_it()
    {
        Allow("048d:1169");
        FromHost([.. RedirPackets.Hello(), .. Announcement]);
        Clear();

        FromGuest(RedirPackets.Hello());

        Assert.Equal(Announcement, ToGuest());
    }
}
