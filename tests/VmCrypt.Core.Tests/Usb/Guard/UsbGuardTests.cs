using System.Collections.Concurrent;
using System.Diagnostics;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Tests.Qemu;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Tests.Usb.Guard;

public sealed class UsbGuardTests : IAsyncLifetime
{
    private const string Stick = "46f4:0001";
    private const string NothingFilter = "-1:-1:-1:-1:0";
    private const string StickFilter = "-1:0x46f4:0x0001:-1:1|-1:-1:-1:-1:0";

    private readonly string _folder = Directory.CreateTempSubdirectory("vmcrypt-guard-").FullName;
    private readonly ConcurrentQueue<UsbEvent> _events = new();
    private readonly UsbWhitelistStore _store;
    private readonly FakeQemu _qemu;
    private UsbPolicy _policy = null!;
    private UsbGuard? _guard;

    public UsbGuardTests()
    {
        _store = new UsbWhitelistStore(new ConfigurationFolder(Path.Combine(_folder, "config")));
        _qemu = new FakeQemu(Path.Combine(_folder, "vm01.qmp"));
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _policy = await UsbPolicy.OpenAsync(_store, Token);

    public async ValueTask DisposeAsync()
    {
        if (_guard is not null)
        {
            await _guard.DisposeAsync();
        }

        await _policy.DisposeAsync();
        await _qemu.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_device_that_is_not_listed_goes_and_a_listed_one_stays()
    {
        _qemu.Plug("stick", "usb-storage");
        Start();
        await Eventually(() => _qemu.Devices.Count == 0);
        await Event(UsbEventKind.Ejected);

        await Allow(Stick);
        _qemu.Plug("stick", "usb-storage");
        UsbEvent allowed = await Event(UsbEventKind.Allowed);

        Assert.Equal("vm01", allowed.Vm!.Name);
        Assert.Equal("stick", allowed.Channel);
        Assert.Equal(Stick, allowed.Device!.Id);
        Assert.Equal(["stick"], _qemu.Devices);
    }

    [Fact]
    public async Task A_device_goes_when_it_is_taken_off_the_list()
    {
        await Allow(Stick);
        _qemu.Plug("stick", "usb-storage");
        Start();
        await Event(UsbEventKind.Allowed);

        await _store.RemoveAsync("vm01", Token);

        UsbEvent ejected = await Event(UsbEventKind.Ejected);
        Assert.Empty(_qemu.Devices);
        Assert.NotNull(ejected.Latency);
        Assert.Equal("the list is empty, which denies every device", ejected.Reason);
    }

    [Theory]
    [InlineData(false, "at once")]
    [InlineData(true, "within 1 s (QEMU: unknown event)")]
    public async Task A_plug_behind_the_guards_back_is_noticed(bool untraceable, string noticed)
    {
        _qemu.Untraceable = untraceable;
        Start();
        UsbEvent guarded = await Event(UsbEventKind.VmGuarded);
        Assert.Equal($"plugs are noticed {noticed}", guarded.Reason);
        await Eventually(() => _qemu.Commands.Contains("qom-list"));

        _qemu.Plug("stick", "usb-storage");

        await Eventually(() => _qemu.Devices.Count == 0);
    }

    [Fact]
    public async Task QEMUs_own_tablet_stays_unless_it_is_to_be_judged()
    {
        _qemu.Plug("tablet", "usb-tablet");
        Start();
        await Event(UsbEventKind.Allowed);
        await _guard!.DisposeAsync();

        Start(new UsbGuardOptions { JudgeEmulatedInput = true });

        await Event(UsbEventKind.Ejected);
    }

    [Fact]
    public async Task A_host_device_that_nobody_can_tell_goes()
    {
        _qemu.Plug("host", "usb-host", ("hostbus", 0), ("hostaddr", 0), ("vendorid", 0x48d), ("productid", 0), ("hostport", ""), ("hostdevice", ""));
        await Allow("allow");
        Start();

        UsbEvent ejected = await Event(UsbEventKind.Ejected);

        Assert.Equal("nobody can tell which device the usb-host is", ejected.Reason);
    }

    [Fact]
    public async Task A_host_device_is_judged_by_what_it_waits_for()
    {
        _qemu.Plug("host", "usb-host", ("hostbus", 0), ("hostaddr", 0), ("vendorid", 0x48d), ("productid", 0x1169), ("hostport", ""), ("hostdevice", ""));
        await Allow("048d:1169");
        Start();

        Assert.Equal("048d:1169", (await Event(UsbEventKind.Allowed)).Device!.Id);
    }

    [Fact]
    public async Task A_channel_gets_the_lists_filter_and_a_new_one_when_the_list_changes()
    {
        _qemu.PlugChannel("redir0");
        Start();
        await Eventually(() => Filter() == NothingFilter);

        await Allow(Stick);
        await Eventually(() => Filter() == StickFilter);

        Assert.Equal("charredir0", _qemu.Device("redir0")["chardev"]!.GetValue<string>());
        Assert.Equal("usb.0", _qemu.Device("redir0")["bus"]!.GetValue<string>());
        Assert.Equal(2, _events.Count(one => one.Kind == UsbEventKind.Refiltered));
    }

    [Fact]
    public async Task A_wider_list_waits_until_the_channels_device_is_unplugged_and_a_narrower_does_not()
    {
        await Allow(Stick);
        _qemu.PlugChannel("redir0", StickFilter);
        _qemu.Device("redir0")["attached"] = true;
        Start();
        await Event(UsbEventKind.Allowed);

        await Allow("048d:1169");
        await Eventually(() => _events.Any(one => one.Reason.Contains("wider filter", StringComparison.Ordinal)));
        Assert.Equal(StickFilter, Filter());

        await _store.RemoveAsync("vm01", Token);
        await Eventually(() => Filter() == NothingFilter);
    }

    [Fact]
    public async Task A_channel_behind_a_proxy_is_left_alone()
    {
        _qemu.PlugChannel("redir0");
        Start(new UsbGuardOptions { ProxiedChannels = new HashSet<string> { "redir0" } });

        Assert.Equal("a proxy guards this channel", (await Event(UsbEventKind.Allowed)).Reason);
        Assert.Equal(string.Empty, Filter());
    }

    [Theory]
    [InlineData(true, false, "the device is still there after 0.2 s")]
    [InlineData(false, true, "the guest refuses to let the device go")]
    public async Task A_device_that_resists_is_detached_reported_and_tried_again(bool resists, bool refuses, string reason)
    {
        _qemu.Resists = resists;
        _qemu.GuestRefuses = refuses;
        _qemu.Plug("stick", "usb-storage");
        Start(new UsbGuardOptions { Patience = TimeSpan.FromSeconds(0.2) });

        Assert.StartsWith(reason, (await Event(UsbEventKind.Resisted)).Reason, StringComparison.Ordinal);
        Assert.False(_qemu.Device("stick")["attached"]!.GetValue<bool>());

        _qemu.Resists = _qemu.GuestRefuses = false;
        await Event(UsbEventKind.Ejected);
        Assert.Empty(_qemu.Devices);
    }

    [Fact]
    public async Task A_device_that_resists_is_given_back_once_it_is_allowed()
    {
        _qemu.Resists = true;
        _qemu.Plug("stick", "usb-storage");
        Start(new UsbGuardOptions { Patience = TimeSpan.FromSeconds(0.2) });
        await Event(UsbEventKind.Resisted);

        await Allow(Stick);

        await Event(UsbEventKind.Allowed);
        Assert.True(_qemu.Device("stick")["attached"]!.GetValue<bool>());
    }

    [Fact]
    public async Task A_QEMU_that_hangs_is_said_and_guarded_again_when_it_answers()
    {
        Start(new UsbGuardOptions { Patience = TimeSpan.FromSeconds(0.2), Look = TimeSpan.FromSeconds(0.1), TracedLook = TimeSpan.FromSeconds(0.1) });
        await Event(UsbEventKind.VmGuarded);

        _qemu.Hangs = true;
        await Event(UsbEventKind.VmLost);
        _qemu.Plug("stick", "usb-storage");
        _qemu.Hangs = false;

        await Event(UsbEventKind.Ejected);
        Assert.Equal(UsbGuardState.Guarded, _guard!.Vms[0].State);
    }

    [Fact]
    public async Task A_QEMU_that_is_started_again_is_guarded_again()
    {
        Start();
        await Event(UsbEventKind.VmGuarded);

        _qemu.Quit();
        await Event(UsbEventKind.VmLost);
        Assert.Equal(UsbGuardState.Lost, _guard!.Vms[0].State);
        _qemu.Restart();
        _qemu.Plug("stick", "usb-storage");

        await Event(UsbEventKind.Ejected);
    }

    [Fact]
    public async Task A_channel_is_made_again_after_a_connection_that_broke_in_between()
    {
        _qemu.PlugChannel("redir0");
        _qemu.Deleted = gone =>
        {
            _qemu.Deleted = null;
            _qemu.Hangs = true;
            _ = Task.Run(async () =>
            {
                await Task.Delay(400);
                _qemu.Hangs = false;
            });
        };
        Start(new UsbGuardOptions { Patience = TimeSpan.FromSeconds(0.2) });

        await Eventually(() => _qemu.Devices.Contains("redir0") && Filter() == NothingFilter);
    }

    [Fact]
    public async Task Garbage_from_a_monitor_is_said()
    {
        _qemu.Garbage = "{\"return\": []}";
        Start();

        Assert.Contains("answered a command that was not given", (await Event(UsbEventKind.VmLost)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_broken_list_throws_its_devices_out_and_is_said()
    {
        await Allow(Stick);
        _qemu.Plug("stick", "usb-storage");
        Start();
        await Event(UsbEventKind.Allowed);

        File.WriteAllText(Path.Combine(_store.Path, "vm-vm01.json"), "{");

        await Event(UsbEventKind.ListBroken);
        await Event(UsbEventKind.Ejected);
    }

    [Fact]
    public async Task Sockets_in_a_folder_come_and_go()
    {
        _guard = new UsbGuard(_policy, new UsbGuardSources { Folders = [_folder] }, new UsbGuardOptions(), _events.Enqueue);
        await Eventually(() => _guard.Vms is [{ State: UsbGuardState.Guarded, Name: "vm01" }]);

        _qemu.Quit();

        await Eventually(() => _guard.Vms.Count == 0);
    }

    private void Start(UsbGuardOptions? options = null)
    {
        options = (options ?? new UsbGuardOptions()) with { TraceFolder = Path.Combine(_folder, "trace") };
        _guard = new UsbGuard(_policy, new UsbGuardSources { Monitors = [StreamEndpoint.Parse($"unix:{_qemu.Path}")] }, options, _events.Enqueue);
    }

    private Task Allow(string rule) => _store.ChangeAsync("vm01", rules => [.. rules, UsbRuleText.Parse(rule)], Token);

    private string? Filter() => _qemu.Devices.Contains("redir0") ? _qemu.Device("redir0")["filter"]?.GetValue<string>() : null;

    private async Task<UsbEvent> Event(UsbEventKind kind)
    {
        UsbEvent? found = null;
        await Eventually(() => (found = _events.FirstOrDefault(one => one.Kind == kind)) is not null);
        return found!;
    }

    private async Task Eventually(Func<bool> condition)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), $"did not happen within 20 seconds:\n{string.Join('\n', _events)}");
            await Task.Delay(5, Token);
        }
    }
}
