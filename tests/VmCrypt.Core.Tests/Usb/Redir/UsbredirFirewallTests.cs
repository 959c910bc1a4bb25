using VmCrypt.Core.Usb;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Redir;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Tests.Usb.Redir;

public sealed class UsbredirFirewallTests
{
    private static readonly UsbClassCode s_storage = UsbClassCode.Parse("08:06:50");
    private static readonly UsbClassCode s_keyboard = UsbClassCode.Parse("03:01:01");

    private readonly RedirPackets _packets = new();
    private readonly List<UsbEventKind> _events = [];
    private readonly List<string> _reasons = [];
    private readonly UsbredirFirewall _firewall;
    private UsbRuleSet _rules = UsbRuleSet.DenyAll;

    public UsbredirFirewallTests() => _firewall = new UsbredirFirewall(() => _rules, TimeProvider.System, (kind, _, reason) =>
    {
        _events.Add(kind);
        _reasons.Add(reason);
    });

    private byte[] Announcement => [.. _packets.EndpointInfo(), .. _packets.Interfaces(s_storage), .. _packets.Connect(0x48d, 0x1169)];

    [Fact]
    public void An_allowed_device_reaches_the_guest_as_it_was_announced()
    {
        Allow("048d:1169");
        Greet();

        FromHost(Announcement);

        Assert.Equal(Announcement, ToGuest());
        Assert.Empty(ToHost());
        Assert.Equal([UsbEventKind.Plugged, UsbEventKind.Allowed], _events);
        Assert.Equal("048d:1169", _firewall.Shown!.Id);
    }

    [Fact]
    public void The_order_of_usbredirhost_is_as_good_as_that_of_the_document()
    {
        Allow("class=08");
        Greet();

        FromHost([.. _packets.Interfaces(s_storage), .. _packets.EndpointInfo(), .. _packets.Connect(0x48d, 0x1169)]);

        Assert.Equal(Announcement, ToGuest());
    }

    [Fact]
    public void A_denied_device_is_never_shown_and_the_host_is_told()
    {
        Greet();

        FromHost(Announcement);
        FromHost(_packets.Bulk(1, 0x81, 4, data: [1, 2, 3, 4]));

        Assert.Empty(ToGuest());
        Assert.Equal(_packets.FilterReject(), ToHost());
        Assert.Null(_firewall.Shown);

        // The guest knows of no device: its acknowledgement is given in its place.
        FromHost(_packets.Disconnect());
        Assert.Equal(_packets.DisconnectAck(), ToHost());
        Assert.Empty(ToGuest());
    }

    [Fact]
    public void A_device_taken_off_the_list_is_disconnected_at_once_and_its_last_packets_are_swallowed()
    {
        Plug("048d:1169");

        Allow();
        _firewall.Recheck();

        Assert.Equal(_packets.Disconnect(), ToGuest());
        Assert.Equal(_packets.FilterReject(), ToHost());
        Assert.Equal(UsbEventKind.Ejected, _events[^1]);

        FromGuest([.. _packets.Bulk(7, 0x81, 512), .. _packets.DisconnectAck()]);
        Assert.Empty(ToHost());
        FromHost([.. _packets.Bulk(6, 0x81, 2, data: [1, 2]), .. _packets.Disconnect()]);
        Assert.Empty(ToGuest());
        Assert.Equal(_packets.DisconnectAck(), ToHost());
    }

    [Fact]
    public void A_device_that_comes_back_before_the_guest_has_acknowledged_gets_none_of_the_old_packets()
    {
        Plug("048d:1169");
        Allow();
        _firewall.Recheck();
        FromHost(_packets.Disconnect());
        Clear();

        Allow("048d:1169");
        FromHost(Announcement);
        Assert.Equal(Announcement, ToGuest());

        FromGuest(_packets.Bulk(7, 0x01, 4, data: [1, 2, 3, 4]));
        Assert.Empty(ToHost());
        FromGuest([.. _packets.DisconnectAck(), .. _packets.Bulk(8, 0x81, 512)]);
        Assert.Equal(_packets.Bulk(8, 0x81, 512), ToHost());
    }

    [Fact]
    public void A_transfer_cut_off_in_the_middle_is_filled_up_so_that_the_guest_stays_in_step()
    {
        Plug("048d:1169");
        byte[] bulk = _packets.Bulk(9, 0x81, 1000, data: [.. Enumerable.Repeat((byte)0xaa, 1000)]);
        FromHost(bulk[..500]);
        Assert.Equal(bulk[..500], ToGuest());

        Allow();
        _firewall.Recheck();
        FromHost(bulk[500..]);

        Assert.Equal([.. new byte[bulk.Length - 500], .. _packets.Disconnect()], ToGuest());
    }

    [Fact]
    public void A_rejection_waits_for_the_end_of_what_the_guest_is_sending()
    {
        Plug("048d:1169");
        byte[] bulk = _packets.Bulk(9, 0x01, 1000, data: new byte[1000]);
        FromGuest(bulk[..500]);

        Allow();
        _firewall.Recheck();
        Assert.Equal(bulk[..500], ToHost());
        FromGuest(bulk[500..]);

        Assert.Equal([.. bulk[500..], .. _packets.FilterReject()], ToHost());
    }

    [Fact]
    public void A_hidden_device_that_is_allowed_now_may_connect_again()
    {
        Greet();
        FromHost(Announcement);

        Allow("048d:1169");
        _firewall.Recheck();

        Assert.NotNull(_firewall.Closing);
    }

    [Fact]
    public void Interfaces_that_change_in_use_are_asked_again()
    {
        Plug("class=08");

        FromHost(_packets.Interfaces(s_storage, s_keyboard));

        Assert.Equal(_packets.Disconnect(), ToGuest());
        Assert.Contains("its interfaces have changed: interface 1 (03:01:01) matches no rule, which denies", _reasons);
    }

    [Fact]
    public void A_device_without_interfaces_does_not_slip_through()
    {
        Allow("class=08");
        Greet();

        FromHost([.. _packets.EndpointInfo(), .. _packets.Interfaces(), .. _packets.Connect(0x48d, 0x1169)]);

        Assert.Empty(ToGuest());
        Assert.Equal(_packets.FilterReject(), ToHost());
    }

    [Theory]
    [InlineData("A1", true)]
    [InlineData("B2", false)]
    public void A_serial_number_is_asked_for_before_the_device_is_shown(string serial, bool allowed)
    {
        Allow("048d:1169 serial=A1");
        Greet();
        FromHost(Announcement);
        Assert.Empty(ToGuest());

        AnswerProbe(UsbDescriptorBytes.Device(0x48d, 0x1169, serialIndex: 3));
        AnswerProbe(UsbDescriptorBytes.Languages());
        AnswerProbe(UsbDescriptorBytes.Text(serial));

        Assert.Equal(allowed ? Announcement : [], ToGuest());
        Assert.Equal(allowed ? [] : _packets.FilterReject(), ToHost());
    }

    [Theory]
    [InlineData(4, new byte[0])]
    [InlineData(0, new byte[] { 18, 1, 0 })]
    public void A_device_that_does_not_tell_its_serial_number_is_denied(byte status, byte[] answer)
    {
        Allow("048d:1169 serial=A1");
        Greet();
        FromHost(Announcement);

        AnswerProbe(answer, status);

        Assert.Empty(ToGuest());
        Assert.Equal(_packets.FilterReject(), ToHost());
    }

    [Fact]
    public void Descriptors_that_contradict_the_announcement_throw_the_device_out()
    {
        Plug("048d:1169");
        FromGuest(_packets.GetDescriptor(5, 1, 0, length: 18));
        Clear();

        FromHost(_packets.Descriptor(5, 1, 0, UsbDescriptorBytes.Device(0x1234, 0x5678)));

        Assert.Equal(_packets.Disconnect(), ToGuest());
        Assert.Equal(_packets.FilterReject(), ToHost());
    }

    [Fact]
    public void A_configuration_with_a_hidden_keyboard_throws_the_device_out()
    {
        Plug("class=08");
        FromGuest(_packets.GetDescriptor(5, 2, 0, length: 9));
        FromGuest(_packets.GetDescriptor(6, 2, 0));
        byte[] configuration = UsbDescriptorBytes.Configuration(s_storage, s_keyboard);
        Clear();

        byte[] head = _packets.Descriptor(5, 2, 0, configuration[..9]);
        FromHost(head);
        Assert.Equal(head, ToGuest());
        FromHost(_packets.Descriptor(6, 2, 0, configuration));

        Assert.Equal(_packets.Disconnect(), ToGuest());
        Assert.Contains(_reasons, reason => reason.StartsWith("its descriptors say so: interface 1 (03:01:01)", StringComparison.Ordinal));
    }

    [Fact]
    public void A_serial_number_seen_passing_by_counts_when_the_list_changes()
    {
        Plug("048d:1169");
        FromGuest([.. _packets.GetDescriptor(5, 1, 0, length: 18), .. _packets.GetDescriptor(6, 3, 3, 0x409)]);
        FromHost([.. _packets.Descriptor(5, 1, 0, UsbDescriptorBytes.Device(0x48d, 0x1169, serialIndex: 3)), .. _packets.Descriptor(6, 3, 3, UsbDescriptorBytes.Text("A1"))]);
        Clear();

        Allow("048d:1169 serial=A1");
        _firewall.Recheck();
        Assert.Empty(ToGuest());

        Allow("048d:1169 serial=B2");
        _firewall.Recheck();
        Assert.Equal(_packets.Disconnect(), ToGuest());
    }

    [Fact]
    public void The_guests_own_filter_is_respected()
    {
        Plug("048d:1169");

        FromGuest(_packets.FilterReject());
        Assert.Equal(_packets.FilterReject(), ToHost());
        FromHost(_packets.Disconnect());

        Assert.Empty(ToGuest());
        Assert.Equal(_packets.DisconnectAck(), ToHost());
    }

    [Fact]
    public void Without_acknowledgements_the_connection_pays_for_an_ejection()
    {
        var packets = new RedirPackets { Caps = RedirPackets.AllCaps & ~8u };
        Allow("048d:1169");
        Greet(packets.Caps, RedirPackets.AllCaps);
        FromHost([.. packets.EndpointInfo(), .. packets.Interfaces(s_storage), .. packets.Connect(0x48d, 0x1169)]);

        Allow();
        _firewall.Recheck();

        Assert.NotNull(_firewall.Closing);
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

    private void AnswerProbe(byte[] data, byte status = 0)
    {
        byte[] question = ToHost();
        ulong id = BitConverter.ToUInt64(question, 8);
        (byte index, byte type) = (question[20], question[21]);
        Assert.Equal(_packets.GetDescriptor(id, type, index, BitConverter.ToUInt16(question, 22), BitConverter.ToUInt16(question, 24)), question);
        FromHost(_packets.Control(id, 0x80, 6, 0x80, status, (ushort)((type << 8) | index), 0, (ushort)data.Length, data));
    }

    private void Allow(params string[] rules) => _rules = new UsbRuleSet(new UsbWhitelist { Rules = [.. rules.Select(UsbRuleText.Parse)] });

    private void Greet(uint host = RedirPackets.AllCaps, uint guest = RedirPackets.AllCaps)
    {
        FromHost(RedirPackets.Hello(host));
        FromGuest(RedirPackets.Hello(guest));
        Assert.Equal(RedirPackets.Hello(host), ToGuest());
        Assert.Equal(RedirPackets.Hello(guest), ToHost());
    }

    private void Plug(string rule)
    {
        Allow(rule);
        Greet();
        FromHost(Announcement);
        Clear();
    }

    private void FromHost(byte[] bytes) => _firewall.Receive(UsbredirSide.Host, bytes);

    private void FromGuest(byte[] bytes) => _firewall.Receive(UsbredirSide.Guest, bytes);

    private byte[] ToHost()
    {
        byte[] sent = _firewall.Host.Out.WrittenSpan.ToArray();
        _firewall.Host.Out.Clear();
        return sent;
    }

    private byte[] ToGuest()
    {
        byte[] sent = _firewall.Guest.Out.WrittenSpan.ToArray();
        _firewall.Guest.Out.Clear();
        return sent;
    }

    private void Clear()
    {
        ToHost();
        ToGuest();
    }
}
