namespace VmCrypt.Core.Tests.Usb.Redir;

/// <summary>What a device says of itself, before and after it is shown.</summary>
public sealed class RedirectedDeviceTests : FirewallConversation
{
    [Fact]
    public void Interfaces_that_change_in_use_are_asked_again()
    {
        Plug("class=08");

        FromHost(Packets.Interfaces(Storage, Keyboard));

        Assert.Equal(Packets.Disconnect(), ToGuest());
        Assert.Contains("its interfaces have changed: interface 1 (03:01:01) matches no rule, which denies", Reasons);
    }

    [Fact]
    public void A_device_without_interfaces_does_not_slip_through()
    {
        Allow("class=08");
        Greet();

        FromHost([.. Packets.EndpointInfo(), .. Packets.Interfaces(), .. Packets.Connect(0x48d, 0x1169)]);

        Assert.Empty(ToGuest());
        Assert.Equal(Packets.FilterReject(), ToHost());
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
        Assert.Equal(allowed ? [] : Packets.FilterReject(), ToHost());
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
        Assert.Equal(Packets.FilterReject(), ToHost());
    }

    [Fact]
    public void Descriptors_that_contradict_the_announcement_throw_the_device_out()
    {
        Plug("048d:1169");
        FromGuest(Packets.GetDescriptor(5, 1, 0, length: 18));
        Clear();

        FromHost(Packets.Descriptor(5, 1, 0, UsbDescriptorBytes.Device(0x1234, 0x5678)));

        Assert.Equal(Packets.Disconnect(), ToGuest());
        Assert.Equal(Packets.FilterReject(), ToHost());
    }

    [Fact]
    public void A_configuration_with_a_hidden_keyboard_throws_the_device_out()
    {
        Plug("class=08");
        FromGuest(Packets.GetDescriptor(5, 2, 0, length: 9));
        FromGuest(Packets.GetDescriptor(6, 2, 0));
        byte[] configuration = UsbDescriptorBytes.Configuration(Storage, Keyboard);
        Clear();

        byte[] head = Packets.Descriptor(5, 2, 0, configuration[..9]);
        FromHost(head);
        Assert.Equal(head, ToGuest());
        FromHost(Packets.Descriptor(6, 2, 0, configuration));

        Assert.Equal(Packets.Disconnect(), ToGuest());
        Assert.Contains(Reasons, reason => reason.StartsWith("its descriptors say so: interface 1 (03:01:01)", StringComparison.Ordinal));
    }

    [Fact]
    public void A_serial_number_seen_passing_by_counts_when_the_list_changes()
    {
        Plug("048d:1169");
        FromGuest([.. Packets.GetDescriptor(5, 1, 0, length: 18), .. Packets.GetDescriptor(6, 3, 3, 0x409)]);
        FromHost([.. Packets.Descriptor(5, 1, 0, UsbDescriptorBytes.Device(0x48d, 0x1169, serialIndex: 3)), .. Packets.Descriptor(6, 3, 3, UsbDescriptorBytes.Text("A1"))]);
        Clear();

        Allow("048d:1169 serial=A1");
        Firewall.Recheck();
        Assert.Empty(ToGuest());

        Allow("048d:1169 serial=B2");
        Firewall.Recheck();
        Assert.Equal(Packets.Disconnect(), ToGuest());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_device_is_not_judged_by_the_interfaces_of_the_one_before(bool disconnected)
    {
        Allow("048d:1169 class=08");
        Greet();
        FromHost([.. Packets.Interfaces(Storage), .. Packets.Connect(0x1234, 0x5678)]);
        Clear();

        FromHost([.. disconnected ? Packets.Disconnect() : [], .. Packets.Connect(0x48d, 0x1169)]);

        Assert.Empty(ToGuest());
        Assert.Null(Firewall.Shown);
    }

    [Fact]
    public void Interfaces_that_change_while_the_serial_number_is_asked_for_count()
    {
        Allow("048d:1169 class=08 serial=A1");
        Greet();
        FromHost(Announcement);
        byte[] question = ToHost();

        FromHost(Packets.Interfaces(Keyboard));
        AnswerProbe(question, UsbDescriptorBytes.Device(0x48d, 0x1169, serialIndex: 3));
        AnswerProbe(UsbDescriptorBytes.Languages());
        AnswerProbe(UsbDescriptorBytes.Text("A1"));

        Assert.Empty(ToGuest());
        Assert.Equal(Packets.FilterReject(), ToHost());
    }

    [Fact]
    public void A_keyboard_hidden_in_a_configuration_that_is_shorter_than_it_says_throws_the_device_out()
    {
        Plug("class=08");
        FromGuest(Packets.GetDescriptor(6, 2, 0));
        Clear();
        byte[] configuration = UsbDescriptorBytes.Configuration(Storage, Keyboard);
        configuration[3] = 1;

        FromHost(Packets.Descriptor(6, 2, 0, configuration));

        Assert.Equal(Packets.Disconnect(), ToGuest());
    }

    [Fact]
    public void A_cut_off_configuration_that_shows_nothing_new_passes()
    {
        Plug("class=08");
        FromGuest(Packets.GetDescriptor(6, 2, 0));
        Clear();
        byte[] answer = Packets.Descriptor(6, 2, 0, UsbDescriptorBytes.Configuration(Storage, Storage)[..24]);

        FromHost(answer);

        Assert.Equal(answer, ToGuest());
    }

    [Fact]
    public void A_keyboard_hidden_in_an_interface_without_an_ordinary_setting_throws_the_device_out()
    {
        Plug("class=08");
        FromGuest(Packets.GetDescriptor(6, 2, 0));
        Clear();
        byte[] configuration = UsbDescriptorBytes.Configuration(Storage, Keyboard);
        configuration[9 + 23 + 3] = 1;

        FromHost(Packets.Descriptor(6, 2, 0, configuration));

        Assert.Equal(Packets.Disconnect(), ToGuest());
    }

    [Fact]
    public void A_hidden_device_may_connect_again_when_its_serial_number_has_come_to_matter()
    {
        Greet();
        FromHost(Announcement);

        Allow("048d:1169 serial=A1");
        Firewall.Recheck();

        Assert.NotNull(Firewall.Closing);
    }
}
