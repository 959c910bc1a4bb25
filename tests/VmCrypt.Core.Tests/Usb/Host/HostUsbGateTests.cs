using System.Collections.Concurrent;
using System.Diagnostics;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Usb;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Host;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Tests.Usb.Host;

public sealed class HostUsbGateTests : IAsyncLifetime
{
    private static readonly UsbClassCode s_storage = UsbClassCode.Parse("08:06:50");
    private static readonly UsbClassCode s_hub = UsbClassCode.Parse("09:00:00");

    private readonly string _folder = Directory.CreateTempSubdirectory("vmcrypt-gate-").FullName;
    private readonly ConcurrentQueue<UsbEvent> _events = new();
    private readonly UsbWhitelistStore _store;
    private readonly FakeSysfs _sysfs;
    private UsbPolicy _policy = null!;

    public HostUsbGateTests()
    {
        _store = new UsbWhitelistStore(new ConfigurationFolder(Path.Combine(_folder, "config")));
        _sysfs = new FakeSysfs(_folder);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _policy = await UsbPolicy.OpenAsync(_store, Token);

    public async ValueTask DisposeAsync()
    {
        await _policy.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_new_device_stays_unauthorised_until_a_list_allows_it_and_loses_it_again()
    {
        await using HostUsbGate gate = Open();
        Assert.Equal("0", _sysfs["usb1", "authorized_default"]);
        Assert.Equal("0", _sysfs["usb1", "interface_authorized_default"]);
        AddStick();
        await Eventually(() => Events(UsbEventKind.HostDeauthorized) == 1);
        Assert.Equal("0", _sysfs["1-2", "authorized"]);

        await _store.ChangeAsync("vm01", _ => [UsbRuleText.Parse("048d:1169 class=08")], Token);
        await Eventually(() => Events(UsbEventKind.HostAuthorized) == 1);
        Assert.Equal("1", _sysfs["1-2", "authorized"]);
        Assert.Equal("1", _sysfs["1-2/1-2:1.0", "authorized"]);
        Assert.Equal(string.Empty, File.ReadAllText(Path.Combine(_sysfs.Root, "..", "drivers_probe")));

        await _store.RemoveAsync("vm01", Token);
        await Eventually(() => Events(UsbEventKind.HostDeauthorized) == 2);
        Assert.Equal("0", _sysfs["1-2", "authorized"]);
    }

    [Fact]
    public async Task A_list_of_a_VM_that_is_not_guarded_does_not_count()
    {
        await _store.ChangeAsync("vm02", _ => [UsbRuleText.Parse("048d:1169")], Token);
        await using HostUsbGate gate = Open();

        AddStick();

        await Eventually(() => Events(UsbEventKind.HostDeauthorized) == 1);
        Assert.Equal("0", _sysfs["1-2", "authorized"]);
    }

    [Fact]
    public async Task What_the_host_had_before_stays_the_hosts_but_whoever_comes_to_its_port_does_not_inherit_that()
    {
        _sysfs.Add("1-2", 5, 0x046d, 0xc31c, authorized: true, default, UsbClassCode.Parse("03:01:01"));
        await using HostUsbGate gate = Open();
        await Task.Delay(100, Token);
        Assert.Equal("1", _sysfs["1-2", "authorized"]);
        Assert.Empty(_events);

        _sysfs.Remove("1-2");
        // A host that authorises by itself, whatever it was told: the gate takes it back.
        _sysfs.Add("1-2", 6, 0x048d, 0x1169, authorized: true, default, s_storage);

        await Eventually(() => Events(UsbEventKind.HostDeauthorized) == 1);
        Assert.Equal("0", _sysfs["1-2", "authorized"]);
    }

    [Fact]
    public async Task A_hub_is_the_hosts_own_and_a_hub_with_something_beside_it_is_none()
    {
        await using HostUsbGate gate = Open();

        _sysfs.Add("1-3", 7, 0x05e3, 0x0608, authorized: false, s_hub, s_hub);
        await Eventually(() => _sysfs["1-3", "authorized"] == "1");
        await Eventually(() => File.ReadAllText(Path.Combine(_sysfs.Root, "..", "drivers_probe")) == "1-3:1.0");

        _sysfs.Add("1-4", 8, 0x05e3, 0x0608, authorized: false, s_hub, s_hub, s_storage);
        await Eventually(() => Events(UsbEventKind.HostDeauthorized) == 1);
        Assert.Equal("0", _sysfs["1-4", "authorized"]);
    }

    [Theory]
    [InlineData("1", "1")]
    [InlineData("2", "0")]
    public async Task The_end_in_order_restores_what_new_devices_started_out_as(string devices, string interfaces)
    {
        _sysfs.SetDefaults("usb1", devices, interfaces);
        HostUsbGate gate = Open();
        Assert.Equal("0", _sysfs["usb1", "authorized_default"]);

        await gate.DisposeAsync();

        Assert.Equal(devices, _sysfs["usb1", "authorized_default"]);
        Assert.Equal(interfaces, _sysfs["usb1", "interface_authorized_default"]);
    }

    [Fact]
    public async Task A_bus_that_comes_later_is_closed_too()
    {
        await using HostUsbGate gate = Open();

        _sysfs.AddBus("usb2", "1", "1");

        await Eventually(() => _sysfs["usb2", "authorized_default"] == "0" && _sysfs["usb2", "interface_authorized_default"] == "0");
    }

    [Fact]
    public async Task A_gate_that_fails_says_so_and_looks_again()
    {
        int looks = 0;
        await using HostUsbGate gate = Open(() => Interlocked.Increment(ref looks) == 1 ? throw new InvalidOperationException("no VMs yet") : [new VmIdentity("vm01")]);
        await Eventually(() => Events(UsbEventKind.Trouble) == 1);

        AddStick();

        await Eventually(() => Events(UsbEventKind.HostDeauthorized) == 1);
    }

    private HostUsbGate Open(Func<IReadOnlyList<VmIdentity>>? vms = null) =>
        new(new HostUsb(_sysfs.Root), _policy, vms ?? (() => [new VmIdentity("vm01")]), _events.Enqueue, _sysfs.Nodes);

    private void AddStick() => _sysfs.Add("1-2", 5, 0x048d, 0x1169, authorized: false, default, s_storage);

    private int Events(UsbEventKind kind) => _events.Count(one => one.Kind == kind);

    private async Task Eventually(Func<bool> condition)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(60), $"did not happen within a minute:\n{string.Join('\n', _events)}");
            await Task.Delay(5, Token);
        }
    }
}
