using VmCrypt.Core.Usb.Guard;

namespace VmCrypt.Core.Tests.Usb.Guard;

/// <summary>Guests that resist, a QEMU that fails, lists that cannot be used.</summary>
public sealed class UsbGuardTroubleTests : GuardScene
{
    [Theory]
    [InlineData(true, false, "the device is still there after 0.2 s")]
    [InlineData(false, true, "the guest refuses to let the device go")]
    public async Task A_device_that_resists_is_detached_reported_and_tried_again(bool resists, bool refuses, string reason)
    {
        Qemu.Resists = resists;
        Qemu.GuestRefuses = refuses;
        Qemu.Plug("stick", "usb-storage");
        Start(new UsbGuardOptions { Patience = TimeSpan.FromSeconds(0.2) });

        Assert.StartsWith(reason, (await Event(UsbEventKind.Resisted)).Reason, StringComparison.Ordinal);
        Assert.False(Qemu.Device("stick")["attached"]!.GetValue<bool>());

        Qemu.Resists = Qemu.GuestRefuses = false;
        await Event(UsbEventKind.Ejected);
        Assert.Empty(Qemu.Devices);
    }

    [Fact]
    public async Task A_device_that_resists_is_given_back_once_it_is_allowed()
    {
        Qemu.Resists = true;
        Qemu.Plug("stick", "usb-storage");
        Start(new UsbGuardOptions { Patience = TimeSpan.FromSeconds(0.2) });
        await Event(UsbEventKind.Resisted);

        await Allow(Stick);

        await Event(UsbEventKind.Allowed);
        Assert.True(Qemu.Device("stick")["attached"]!.GetValue<bool>());
    }

    [Fact]
    public async Task A_QEMU_that_hangs_is_said_and_guarded_again_when_it_answers()
    {
        Start(new UsbGuardOptions { Patience = TimeSpan.FromSeconds(0.2), Look = TimeSpan.FromSeconds(0.1), TracedLook = TimeSpan.FromSeconds(0.1) });
        await Event(UsbEventKind.VmGuarded);

        Qemu.Hangs = true;
        await Event(UsbEventKind.VmLost);
        Qemu.Plug("stick", "usb-storage");
        Qemu.Hangs = false;

        await Event(UsbEventKind.Ejected);
        Assert.Equal(UsbGuardState.Guarded, Guard.Vms[0].State);
    }

    [Fact]
    public async Task A_QEMU_that_is_started_again_is_guarded_again()
    {
        Start();
        await Event(UsbEventKind.VmGuarded);

        Qemu.Quit();
        await Event(UsbEventKind.VmLost);
        Assert.Equal(UsbGuardState.Lost, Guard.Vms[0].State);
        Qemu.Restart();
        Qemu.Plug("stick", "usb-storage");

        await Event(UsbEventKind.Ejected);
    }

    [Fact]
    public async Task Garbage_from_a_monitor_is_said()
    {
        Qemu.Garbage = "{\"return\": []}";
        Start();

        Assert.Contains("answered a command that was not given", (await Event(UsbEventKind.VmLost)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_broken_list_throws_its_devices_out_and_is_said()
    {
        await Allow(Stick);
        Qemu.Plug("stick", "usb-storage");
        Start();
        await Event(UsbEventKind.Allowed);

        File.WriteAllText(Path.Combine(Store.Path, "vm-vm01.json"), "{");

        await Event(UsbEventKind.ListBroken);
        await Event(UsbEventKind.Ejected);
    }

    [Fact]
    public async Task An_answer_that_nobody_expects_is_said_and_the_channel_is_tried_again()
    {
        Qemu.PlugChannel("redir0");
        Qemu.Answers["query-chardev"] = "{}";
        Start(new UsbGuardOptions { Look = TimeSpan.FromMilliseconds(50) });
        await Event(UsbEventKind.Trouble);

        Qemu.Answers.Clear();

        await Eventually(() => Filter() == NothingFilter);
    }

    [Theory]
    [InlineData(100)]
    [InlineData(1)]
    public async Task A_VM_with_a_name_that_no_list_can_have_is_guarded_by_the_default_list(int length)
    {
        Qemu.Name = new string('\u0001', length);
        Qemu.Plug("stick", "usb-storage");
        Start();

        await Event(UsbEventKind.Ejected);
    }

    [Fact]
    public async Task A_socket_with_too_long_a_name_keeps_nobody_from_guarding_the_others()
    {
        File.WriteAllText(Path.Combine(Folder, new string('a', 120) + ".qmp"), string.Empty);

        Start(sources: new UsbGuardSources { Folders = [Folder] });

        await Eventually(() => Guard.Vms is [{ State: UsbGuardState.Guarded, Name: "vm01" }]);
    }
}
