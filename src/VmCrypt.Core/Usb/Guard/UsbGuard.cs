using System.Collections.Concurrent;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Usb.Host;
using VmCrypt.Core.Usb.Lists;

namespace VmCrypt.Core.Usb.Guard;

/// <summary>Where a guard finds its VMs.</summary>
public sealed record UsbGuardSources
{
    /// <summary>Monitors of QEMU, whether or not their VMs run yet.</summary>
    public IReadOnlyList<StreamEndpoint> Monitors { get; init; } = [];

    /// <summary>Folders whose sockets (*.qmp, *.sock) are monitors; they come and go.</summary>
    public IReadOnlyList<string> Folders { get; init; } = [];

    /// <summary>libvirt's URI: its running domains.</summary>
    public string? Libvirt { get; init; }

    /// <summary>Only these domains of libvirt, by name or UUID; all of them where this is empty.</summary>
    public IReadOnlyList<string> Domains { get; init; } = [];
}

/// <summary>Enforces the whitelists in running VMs until it is disposed.</summary>
public sealed class UsbGuard : IAsyncDisposable
{
    private const string LibvirtLogs = "/var/log/libvirt/qemu";

    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(2);

    private readonly UsbGuardSources _sources;
    private readonly UsbGuardContext _context;
    private readonly Action<UsbEvent> _report;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<string, GuardedVm> _vms = new();
    private readonly PlugTrace? _trace;
    private readonly PlugTrace? _libvirtTrace;
    private readonly LibvirtHost? _libvirt;
    private readonly Task _looking;
    private readonly Dictionary<string, string> _troubles = [];
    private readonly Lock _gate = new();
    private HashSet<string> _faults = [];

    /// <param name="report">Told of every event; from many threads, and never to wait in.</param>
    public UsbGuard(UsbPolicy policy, UsbGuardSources sources, UsbGuardOptions options, Action<UsbEvent> report, HostUsb? host = null, TimeProvider? clock = null)
    {
        _sources = sources;
        _report = report;
        _context = new UsbGuardContext(policy, host ?? new HostUsb(), options, clock ?? TimeProvider.System, report);
        if (options.TraceFolder is { } folder)
        {
            PlugTrace.MakeFolder(folder);
            _trace = PlugTrace.TryWatch(folder);
            _libvirtTrace = sources.Libvirt is null ? null : PlugTrace.TryWatch(LibvirtLogs);
        }

        _libvirt = sources.Libvirt is null ? null : new LibvirtHost(sources.Libvirt, options.Patience);
        Started = _context.Clock.GetUtcNow();
        policy.Changed += OnListsChanged;
        _looking = Task.Run(LookAsync);
    }

    public DateTimeOffset Started { get; }

    public IReadOnlyList<UsbGuardedVm> Vms => [.. _vms.Values.Select(vm => vm.Snapshot()).OrderBy(vm => vm.Name, StringComparer.Ordinal)];

    public async ValueTask DisposeAsync()
    {
        _context.Policy.Changed -= OnListsChanged;
        await _stop.CancelAsync();
        await _looking;
        foreach (GuardedVm vm in _vms.Values)
        {
            await vm.DisposeAsync();
        }

        _trace?.Dispose();
        _libvirtTrace?.Dispose();
        if (_libvirt is not null)
        {
            await _libvirt.DisposeAsync();
        }

        _stop.Dispose();
    }

    private void OnListsChanged(object? sender, UsbPolicyChangedEventArgs change)
    {
        // Decided by what is known of the devices, so that nothing is asked before the first device goes.
        foreach (GuardedVm vm in _vms.Values)
        {
            vm.Wake(change.Timestamp, scan: false);
        }

        TellOfFaults();
    }

    private void TellOfFaults()
    {
        lock (_gate)
        {
            IReadOnlyDictionary<string, string> faults = _context.Policy.Faults;
            foreach ((string list, string fault) in faults.Where(one => !_faults.Contains(one.Key)))
            {
                Report(UsbEventKind.ListBroken, list, fault);
            }

            foreach (string list in _faults.Where(one => !faults.ContainsKey(one)))
            {
                Report(UsbEventKind.ListMended, list, "the list is valid, or gone");
            }

            _faults = [.. faults.Keys];
        }
    }

    private async Task LookAsync()
    {
        TellOfFaults();
        foreach (StreamEndpoint monitor in _sources.Monitors)
        {
            Guard(VmEndpoint.OfQmp(monitor, _context.Options.Patience));
        }

        while (!_stop.IsCancellationRequested)
        {
            await AttemptAsync("folders of sockets", () => Task.Run(LookIntoFolders));
            await AttemptAsync("libvirt's domains", LookAtLibvirtAsync);
            await Task.Delay(s_look, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void LookIntoFolders()
    {
        foreach (string folder in _sources.Folders.Where(Directory.Exists))
        {
            // A path that is too long for a socket cannot be one, and keeps nobody from guarding the others.
            foreach (string socket in Directory.EnumerateFiles(folder).Where(file => Path.GetExtension(file) is ".qmp" or ".sock" && StreamEndpoint.FitsUnix(file)))
            {
                Guard(VmEndpoint.OfQmp(StreamEndpoint.Parse($"unix:{socket}"), _context.Options.Patience));
            }
        }

        Forget(vm => vm.Key.StartsWith("unix:", StringComparison.Ordinal) && !File.Exists(vm.Key[5..]) && !_sources.Monitors.Any(monitor => monitor.Text == vm.Key));
    }

    private async Task LookAtLibvirtAsync()
    {
        if (_libvirt is null)
        {
            return;
        }

        LibvirtDomain[] domains = [.. (await _libvirt.DomainsAsync(_stop.Token)).Where(IsMeant)];
        foreach (LibvirtDomain domain in domains)
        {
            Guard(VmEndpoint.OfLibvirt(_libvirt, domain));
        }

        Forget(vm => Guid.TryParse(vm.Key, out Guid uuid) && !Array.Exists(domains, domain => domain.Uuid == uuid));
    }

    private bool IsMeant(LibvirtDomain domain) => _sources.Domains.Count == 0
        || _sources.Domains.Contains(domain.Name) || _sources.Domains.Contains(domain.Uuid.ToString("D"), StringComparer.OrdinalIgnoreCase);

    // Said once, however often it fails for the same reason; tried again at every look.
    private async Task AttemptAsync(string what, Func<Task> look)
    {
        try
        {
            await look();
            _troubles.Remove(what);
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            if (_troubles.GetValueOrDefault(what) != fault.Message)
            {
                Report(UsbEventKind.Trouble, what, fault.Message);
            }

            _troubles[what] = fault.Message;
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The loop ends by itself.
        }
    }

    private void Guard(VmEndpoint endpoint)
    {
        if (!_vms.ContainsKey(endpoint.Key))
        {
            _vms[endpoint.Key] = new GuardedVm(endpoint, endpoint.Libvirt ? _libvirtTrace : _trace, _context);
        }
    }

    private void Forget(Func<GuardedVm, bool> gone)
    {
        foreach (GuardedVm vm in _vms.Values.Where(gone).ToArray())
        {
            _vms.TryRemove(vm.Key, out _);
            _ = vm.DisposeAsync().AsTask();
        }
    }

    private void Report(UsbEventKind kind, string channel, string reason) =>
        _report(new UsbEvent(_context.Clock.GetUtcNow(), kind, reason) { Channel = channel });
}
