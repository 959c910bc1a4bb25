using VmCrypt.Core.Tests.Usb.Host;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Host;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Tests.Usb.Guard;

/// <summary>Devices and lists.</summary>
public sealed class UsbGuardTests : GuardScene
{
    [Fact]
    public async Task A_device_that_is_not_listed_goes_and_a_listed_one_stays()
    {
        Qemu.Plug("stick", "usb-storage");
        Start();
        await Eventually(() => Qemu.Devices.Count == 0);
        await Event(UsbEventKind.Ejected);

        await Allow(Stick);
        Qemu.Plug("stick", "usb-storage");
        UsbEvent allowed = await Event(UsbEventKind.Allowed);

        Assert.Equal("vm01", allowed.Vm!.Name);
        Assert.Equal("stick", allowed.Channel);
        Assert.Equal(Stick, allowed.Device!.Id);
        Assert.Equal(["stick"], Qemu.Devices);
    }

    [Fact]
    public async Task A_device_goes_when_it_is_taken_off_the_list()
    {
        await Allow(Stick);
        Qemu.Plug("stick", "usb-storage");
        Start();
        await Event(UsbEventKind.Allowed);

        await Store.RemoveAsync("vm01", Token);

        UsbEvent ejected = await Event(UsbEventKind.Ejected);
        Assert.Empty(Qemu.Devices);
        Assert.NotNull(ejected.Latency);
        Assert.Equal("the list is empty, which denies every device", ejected.Reason);
    }

    [Theory]
    [InlineData(false, "at once")]
    [InlineData(true, "within 1 s (QEMU: unknown event)")]
    public async Task A_plug_behind_the_guards_back_is_noticed(bool untraceable, string noticed)
    {
        Qemu.Untraceable = untraceable;
        Start();
        UsbEvent guarded = await Event(UsbEventKind.VmGuarded);
        Assert.Equal($"plugs are noticed {noticed}", guarded.Reason);
        await Eventually(() => Qemu.Commands.Contains("qom-list"));

        Qemu.Plug("stick", "usb-storage");

        await Eventually(() => Qemu.Devices.Count == 0);
    }

    [Fact]
    public async Task QEMUs_own_tablet_stays_unless_it_is_to_be_judged()
    {
        Qemu.Plug("tablet", "usb-tablet");
        Start();
        await Event(UsbEventKind.Allowed);
        await Guard.DisposeAsync();

        Start(new UsbGuardOptions { JudgeEmulatedInput = true });

        await Event(UsbEventKind.Ejected);
    }

    [Fact]
    public async Task A_host_device_that_nobody_can_tell_goes()
    {
        Qemu.Plug("host", "usb-host", ("hostbus", 0), ("hostaddr", 0), ("vendorid", 0x48d), ("productid", 0), ("hostport", ""), ("hostdevice", ""));
        await Allow("allow");
        Start();

        UsbEvent ejected = await Event(UsbEventKind.Ejected);

        Assert.Equal("nobody can tell which device the usb-host is", ejected.Reason);
    }

    [Fact]
    public async Task A_host_device_is_judged_by_what_it_waits_for()
    {
        Qemu.Plug("host", "usb-host", ("hostbus", 0), ("hostaddr", 0), ("vendorid", 0x48d), ("productid", 0x1169), ("hostport", ""), ("hostdevice", ""));
        await Allow("048d:1169");
        Start();

        Assert.Equal("048d:1169", (await Event(UsbEventKind.Allowed)).Device!.Id);
    }

    [Fact]
    public async Task Sockets_in_a_folder_come_and_go()
    {
        Start(sources: new UsbGuardSources { Folders = [Folder] });
        await Eventually(() => Guard.Vms is [{ State: UsbGuardState.Guarded, Name: "vm01" }]);

        Qemu.Quit();

        await Eventually(() => Guard.Vms.Count == 0);
    }

    [Fact]
    public async Task A_rule_that_ends_takes_its_device_along_without_a_change_of_the_list()
    {
        await Allow(UsbRuleText.Parse(Stick) with { ValidUntil = Clock.GetUtcNow().AddHours(1) });
        Qemu.Plug("stick", "usb-storage");
        Start(new UsbGuardOptions { TracedLook = TimeSpan.FromHours(1) });
        await Event(UsbEventKind.Allowed);

        Clock.Advance(TimeSpan.FromMinutes(59));
        Assert.Equal(["stick"], Qemu.Devices);
        Clock.Advance(TimeSpan.FromMinutes(1));

        await Event(UsbEventKind.Ejected);
        Assert.Empty(Qemu.Devices);
    }

    [Fact]
    public async Task A_host_device_is_judged_again_when_another_comes_to_its_port()
    {
        var sysfs = new FakeSysfs(Folder);
        sysfs.Add("1-2", 5, 0x48d, 0x1169, authorized: true, default, Core.Usb.UsbClassCode.Parse("08:06:50"));
        Qemu.Plug("host", "usb-host", ("hostbus", 1), ("hostaddr", 0), ("vendorid", 0), ("productid", 0), ("hostport", "2"), ("hostdevice", ""));
        await Allow("048d:1169");
        Start(host: new HostUsb(sysfs.Root));
        await Event(UsbEventKind.Allowed);

        sysfs.Remove("1-2");
        sysfs.Add("1-2", 6, 0x1234, 0x5678, authorized: true, default, Core.Usb.UsbClassCode.Parse("03:01:01"));
        Qemu.Log("usb_port_attach");

        Assert.Equal("1234:5678", (await Event(UsbEventKind.Ejected)).Device!.Id);
    }
}
