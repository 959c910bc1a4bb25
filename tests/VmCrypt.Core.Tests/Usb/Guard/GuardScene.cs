using System.Collections.Concurrent;
using System.Diagnostics;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Tests.Qemu;
using VmCrypt.Core.Tests.Support;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Host;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Tests.Usb.Guard;

/// <summary>A scripted QEMU, lists, and a guard between them.</summary>
public abstract class GuardScene : IAsyncLifetime
{
    private protected const string Stick = "46f4:0001";
    private protected const string NothingFilter = "-1:-1:-1:-1:0";
    private protected const string StickFilter = "-1:0x46f4:0x0001:-1:1|-1:-1:-1:-1:0";

    private UsbGuard? _guard;

    private protected GuardScene()
    {
        Store = new UsbWhitelistStore(new ConfigurationFolder(Path.Combine(Folder, "config")));
        Qemu = new FakeQemu(Path.Combine(Folder, "vm01.qmp"));
    }

    private protected static CancellationToken Token => TestContext.Current.CancellationToken;

    private protected string Folder { get; } = Directory.CreateTempSubdirectory("vmcrypt-guard-").FullName;

    private protected ConcurrentQueue<UsbEvent> Events { get; } = new();

    private protected ManualClock Clock { get; } = new(new DateTimeOffset(2026, 1, 1, 12, 0, 0, TimeSpan.Zero));

    private protected UsbWhitelistStore Store { get; }

    private protected FakeQemu Qemu { get; }

    private protected UsbPolicy Policy { get; private set; } = null!;

    private protected UsbGuard Guard => _guard!;

    public async ValueTask InitializeAsync() => Policy = await UsbPolicy.OpenAsync(Store, Token, Clock);

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_guard is not null)
        {
            await _guard.DisposeAsync();
        }

        await Policy.DisposeAsync();
        await Qemu.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }

    private protected void Start(UsbGuardOptions? options = null, UsbGuardSources? sources = null, HostUsb? host = null)
    {
        options = (options ?? new UsbGuardOptions()) with { TraceFolder = Path.Combine(Folder, "trace") };
        _guard = new UsbGuard(Policy, sources ?? new UsbGuardSources { Monitors = [StreamEndpoint.Parse($"unix:{Qemu.Path}")] }, options, Events.Enqueue, host, Clock);
    }

    /// <summary>Adds a rule to the VM's list, and waits until it is in force.</summary>
    private protected Task Allow(string rule) => Allow(UsbRuleText.Parse(rule));

    private protected async Task Allow(UsbRule rule)
    {
        await Store.ChangeAsync("vm01", rules => [.. rules, rule], Token);
        await Eventually(() => Policy.For(new VmIdentity("vm01")).Whitelist.Rules is [.., var last] && last == rule);
    }

    private protected string? Filter() => Qemu.Devices.Contains("redir0") ? Qemu.Device("redir0")["filter"]?.GetValue<string>() : null;

    private protected async Task<UsbEvent> Event(UsbEventKind kind)
    {
        UsbEvent? found = null;
        await Eventually(() => (found = Events.FirstOrDefault(one => one.Kind == kind)) is not null);
        return found!;
    }

    private protected async Task Eventually(Func<bool> condition)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(60), $"did not happen within a minute:\n{string.Join('\n', Events)}");
            await Task.Delay(5, Token);
        }
    }
}
