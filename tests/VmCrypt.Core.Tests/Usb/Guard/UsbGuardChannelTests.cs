using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Lists;

namespace VmCrypt.Core.Tests.Usb.Guard;

/// <summary>Redirection channels and their filters.</summary>
public sealed class UsbGuardChannelTests : GuardScene
{
    [Fact]
    public async Task A_channel_gets_the_lists_filter_and_a_new_one_when_the_list_changes()
    {
        Qemu.PlugChannel("redir0");
        Start();
        await Eventually(() => Filter() == NothingFilter);

        await Allow(Stick);
        await Eventually(() => Filter() == StickFilter);

        Assert.Equal("charredir0", Qemu.Device("redir0")["chardev"]!.GetValue<string>());
        Assert.Equal("usb.0", Qemu.Device("redir0")["bus"]!.GetValue<string>());
        await Eventually(() => Events.Count(one => one.Kind == UsbEventKind.Refiltered) == 2);
    }

    [Fact]
    public async Task A_wider_list_waits_until_the_channels_device_is_unplugged_and_a_narrower_does_not()
    {
        await Allow(Stick);
        Qemu.PlugChannel("redir0", StickFilter);
        Qemu.Device("redir0")["attached"] = true;
        Start();
        await Event(UsbEventKind.Allowed);

        await Allow("048d:1169");
        await Eventually(() => Events.Any(one => one.Reason.Contains("wider filter", StringComparison.Ordinal)));
        Assert.Equal(StickFilter, Filter());

        await Store.RemoveAsync("vm01", Token);
        await Eventually(() => Filter() == NothingFilter);
    }

    [Fact]
    public async Task A_channel_behind_a_proxy_is_left_alone()
    {
        Qemu.PlugChannel("redir0");
        Start(new UsbGuardOptions { ProxiedChannels = new HashSet<string> { "redir0" } });

        Assert.Equal("a proxy guards this channel", (await Event(UsbEventKind.Allowed)).Reason);
        Assert.Equal(string.Empty, Filter());
    }

    [Fact]
    public async Task A_channel_is_made_again_after_a_connection_that_broke_in_between()
    {
        Qemu.PlugChannel("redir0");
        Qemu.Deleted = gone =>
        {
            Qemu.Deleted = null;
            Qemu.Hangs = true;
            _ = Task.Run(async () =>
            {
                await Task.Delay(400);
                Qemu.Hangs = false;
            });
        };
        Start(new UsbGuardOptions { Patience = TimeSpan.FromSeconds(0.2) });

        await Eventually(() => Qemu.Devices.Contains("redir0") && Filter() == NothingFilter);
    }

    [Fact]
    public async Task A_channel_gets_the_filter_of_a_list_that_changed_while_it_was_gone()
    {
        await Allow(Stick);
        Qemu.PlugChannel("redir0");
        Qemu.Deleted = _ =>
        {
            Qemu.Deleted = null;
            Store.RemoveAsync("vm01", Token).GetAwaiter().GetResult();
            Eventually(() => Policy.For(new VmIdentity("vm01")).Whitelist.Rules.Count == 0).GetAwaiter().GetResult();
        };
        Start();

        await Eventually(() => Filter() == NothingFilter);

        Assert.Single(Qemu.Commands, "device_add");
    }
}
