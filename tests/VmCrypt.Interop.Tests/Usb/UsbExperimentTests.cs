using System.Text.Json.Nodes;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Redir;
using VmCrypt.Interop.Tests.Guest;

namespace VmCrypt.Interop.Tests.Usb;

/// <summary>Stick 048d:1169: not listed, it is refused; listed, the guest has it; taken off the list, it is gone from the running guest.</summary>
public sealed class UsbExperimentTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Through_the_proxy()
    {
        await using UsbLab lab = await UsbLab.OpenAsync();
        int pc = lab.StartPc();
        int qemu = UsbLab.FreePort();
        var options = new UsbRedirProxyOptions(
            new VmIdentity("vm01"), new(StreamEndpoint.Parse($"tcp:127.0.0.1:{pc}"), Listen: false), new(StreamEndpoint.Parse($"tcp:127.0.0.1:{qemu}"), Listen: true));
        await using var proxy = new UsbRedirProxy(lab.Policy, options, lab.Events.Enqueue);
        GuestVm vm = lab.StartVm("-chardev", $"socket,id=c,host=127.0.0.1,port={qemu},reconnect=1", "-device", "usb-redir,chardev=c,id=redir0");
        await vm.WaitForAsync("UP");

        UsbEvent denied = await lab.EventAsync(UsbEventKind.Denied);
        Assert.Equal(UsbLab.Stick, denied.Device!.Id);
        Assert.Equal("the list is empty, which denies every device", denied.Reason);
        await Task.Delay(1000, Token);
        Assert.False(UsbLab.Sees(vm));

        await lab.AllowAsync($"{UsbLab.Stick} serial=A1");
        await lab.SeenAsync(vm, seen: true);

        await lab.AllowAsync();
        UsbEvent ejected = await lab.EventAsync(UsbEventKind.Ejected);
        await lab.SeenAsync(vm, seen: false);
        Assert.NotNull(ejected.Latency);
    }

    [Fact]
    public async Task Through_QEMUs_own_filter()
    {
        await using UsbLab lab = await UsbLab.OpenAsync();
        int pc = lab.StartPc();
        GuestVm vm = lab.StartVm("-chardev", $"socket,id=c,host=127.0.0.1,port={pc},reconnect=1", "-device", "usb-redir,chardev=c,id=redir0");
        await using UsbGuard guard = lab.StartGuard();
        await vm.WaitForAsync("UP");
        await lab.EventAsync(UsbEventKind.Refiltered);
        await Task.Delay(2000, Token);
        Assert.False(UsbLab.Sees(vm));

        int before = lab.Events.Count;
        await lab.AllowAsync(UsbLab.Stick);
        await lab.EventAsync(UsbEventKind.Refiltered, before);
        await lab.SeenAsync(vm, seen: true);

        before = lab.Events.Count;
        await lab.AllowAsync();
        UsbEvent refiltered = await lab.EventAsync(UsbEventKind.Refiltered, before);
        await lab.SeenAsync(vm, seen: false);
        Assert.NotNull(refiltered.Latency);
    }

    [Fact]
    public async Task QEMUs_own_storage_plugged_in_behind_the_guards_back_is_removed()
    {
        await using UsbLab lab = await UsbLab.OpenAsync();
        GuestVm vm = lab.StartVm();
        await vm.WaitForAsync("UP");
        await using UsbGuard guard = lab.StartGuard();
        Assert.Equal("plugs are noticed at once", (await lab.EventAsync(UsbEventKind.VmGuarded)).Reason);
        await using QmpClient other = await QmpClient.ConnectAsync(StreamEndpoint.Parse(lab.Monitor2), TimeSpan.FromSeconds(10), Token);
        await other.ExecuteAsync("blockdev-add", new JsonObject { ["driver"] = "null-co", ["node-name"] = "n0", ["size"] = 1 << 20 }, Token);

        await other.ExecuteAsync("device_add", new JsonObject { ["driver"] = "usb-storage", ["drive"] = "n0", ["id"] = "stick" }, Token);

        UsbEvent ejected = await lab.EventAsync(UsbEventKind.Ejected);
        Assert.Equal("46f4:0001", ejected.Device!.Id);
        await lab.SeenAsync(vm, seen: false, "46f4:0001");

        await lab.AllowAsync("class=08");
        await other.ExecuteAsync("device_add", new JsonObject { ["driver"] = "usb-storage", ["drive"] = "n0", ["id"] = "stick" }, Token);
        await lab.SeenAsync(vm, seen: true, "46f4:0001");

        await lab.AllowAsync("deny class=08");
        await lab.SeenAsync(vm, seen: false, "46f4:0001");
    }
}
