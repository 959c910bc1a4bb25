using System.Threading.Channels;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Host;

/// <summary>Keeps devices that are plugged into the host from the host, until a VM's list allows them.</summary>
/// <remarks>
/// <para>New devices start out unauthorised, and so do the interfaces of authorised ones: no driver of the host ever gets a stick that
/// is meant for a VM, there is no moment in between. A device that a list allows is authorised, and its interfaces with it, which
/// lets programs (QEMU's usb-host) claim them but calls no driver. Taken off the lists, it is unauthorised, which also takes it
/// from a VM that has it. Hubs are the host's own.</para>
/// <para>Devices that the host had before are left as they are. Disposing restores what new devices start out as; whoever ends without
/// that leaves the buses closed.</para>
/// </remarks>
public sealed class HostUsbGate : IAsyncDisposable
{
    /// <summary>Where the kernel makes a node for each new device, which can be watched; sysfs cannot.</summary>
    public const string DefaultNodes = "/dev/bus/usb";

    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(2);

    private readonly HostUsb _host;
    private readonly UsbPolicy _policy;
    private readonly Func<IReadOnlyList<VmIdentity>> _vms;
    private readonly Action<UsbEvent> _report;
    private readonly TimeProvider _clock;
    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<bool> _touched = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    // By port and address: whoever comes to the same port later has another address.
    private readonly Dictionary<(string Folder, int Address), bool?> _decided = [];
    // What devices on each bus started out as before, by the folder of its root hub.
    private readonly Dictionary<string, HostBusDefaults> _buses = [];
    private readonly FileSystemWatcher? _watcher;
    private readonly Task _running;
    private string? _trouble;

    /// <param name="vms">The VMs whose lists count.</param>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.AccessDenied"/>: not root.</exception>
    public HostUsbGate(
        HostUsb host, UsbPolicy policy, Func<IReadOnlyList<VmIdentity>> vms, Action<UsbEvent> report, string nodes = DefaultNodes, TimeProvider? clock = null)
    {
        _host = host;
        _policy = policy;
        _vms = vms;
        _report = report;
        _clock = clock ?? TimeProvider.System;
        foreach (HostUsbDevice device in host.Devices())
        {
            // Null: the host had it before, and keeps it.
            _decided[Key(device)] = null;
            if (device.IsRootHub)
            {
                CloseBus(device);
            }
        }

        _watcher = Watch(nodes);
        policy.Changed += OnListsChanged;
        _running = Task.Run(RunAsync);
    }

    public async ValueTask DisposeAsync()
    {
        _policy.Changed -= OnListsChanged;
        _watcher?.Dispose();
        await _stop.CancelAsync();
        await _running;
        foreach (HostUsbDevice hub in _host.Devices().Where(device => device.IsRootHub))
        {
            if (_buses.TryGetValue(hub.Folder, out HostBusDefaults? before))
            {
                HostUsb.SetDefaults(hub, before);
            }
        }

        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            LookSafely();
            using var quiet = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            quiet.CancelAfter(s_look);
            await _touched.Reader.ReadAsync(quiet.Token).AsTask().ContinueWith(_ => { }, TaskScheduler.Default);
        }
    }

    // Whatever goes wrong is said once, and tried again at the next look: a gate that no longer looks would leave open what it has opened.
    private void LookSafely()
    {
        try
        {
            Look();
            _trouble = null;
        }
        catch (Exception fault)
        {
            if (_trouble != fault.Message)
            {
                _report(new UsbEvent(_clock.GetUtcNow(), UsbEventKind.Trouble, fault.Message) { Channel = _host.Root });
            }

            _trouble = fault.Message;
        }
    }

    private void Look()
    {
        IReadOnlyList<HostUsbDevice> devices = _host.Devices();
        foreach ((string, int) gone in _decided.Keys.Except(devices.Select(Key)).ToArray())
        {
            _decided.Remove(gone);
        }

        IReadOnlyList<VmIdentity> vms = _vms();
        foreach (HostUsbDevice device in devices.Where(device => !_decided.TryGetValue(Key(device), out bool? decided) || decided is not null))
        {
            try
            {
                Decide(device, vms);
            }
            catch (Exception fault) when (fault is DeviceFaultException or IOException or UnauthorizedAccessException)
            {
                // Unplugged under our hands, or no right to: the next look tells.
                Report(UsbEventKind.Trouble, device, fault.Message);
            }
        }
    }

    private void Decide(HostUsbDevice device, IReadOnlyList<VmIdentity> vms)
    {
        if (device.IsRootHub)
        {
            // A controller that came later: its bus is open until it is closed.
            CloseBus(device);
            _decided[Key(device)] = null;
            return;
        }

        if (IsOnlyHub(device))
        {
            HostUsb.SetAuthorized(device, authorized: true);
            HostUsb.AuthorizeInterfaces(device);
            HostUsb.ProbeDrivers(device);
            _decided[Key(device)] = null;
            return;
        }

        DateTimeOffset now = _clock.GetUtcNow();
        (VmIdentity Vm, UsbVerdict Verdict)[] verdicts = [.. vms.Select(vm => (vm, _policy.For(vm).Judge(device.Description, now)))];
        int allowing = Array.FindIndex(verdicts, one => one.Verdict.Allowed);
        bool allowed = allowing >= 0;
        if (_decided.GetValueOrDefault(Key(device)) == allowed && device.Authorized == allowed)
        {
            return;
        }

        HostUsb.SetAuthorized(device, allowed);
        if (allowed)
        {
            HostUsb.AuthorizeInterfaces(device);
        }

        _decided[Key(device)] = allowed;
        Report(
            allowed ? UsbEventKind.HostAuthorized : UsbEventKind.HostDeauthorized, device,
            allowed ? $"the list of {verdicts[allowing].Vm} allows it: {verdicts[allowing].Verdict.Reason}" : "no list of a VM allows it");
    }

    private void CloseBus(HostUsbDevice rootHub)
    {
        _buses.TryAdd(rootHub.Folder, HostUsb.DefaultsOf(rootHub));
        HostUsb.SetDefaults(rootHub, HostBusDefaults.Closed);
    }

    private static (string Folder, int Address) Key(HostUsbDevice device) => (device.Folder, device.Address);

    // A device that says hub and has anything else beside it is none.
    private static bool IsOnlyHub(HostUsbDevice device) =>
        device.IsHub && device.Description.Interfaces is { Count: > 0 } interfaces && interfaces.All(code => code.BaseClass == UsbClassCode.Hub);

    private FileSystemWatcher? Watch(string nodes)
    {
        try
        {
            var watcher = new FileSystemWatcher(nodes) { IncludeSubdirectories = true, NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName };
            watcher.Created += (_, _) => _touched.Writer.TryWrite(true);
            watcher.Deleted += (_, _) => _touched.Writer.TryWrite(true);
            watcher.EnableRaisingEvents = true;
            return watcher;
        }
        catch (Exception fault) when (fault is IOException or ArgumentException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private void OnListsChanged(object? sender, UsbPolicyChangedEventArgs change) => _touched.Writer.TryWrite(true);

    private void Report(UsbEventKind kind, HostUsbDevice device, string reason) =>
        _report(new UsbEvent(_clock.GetUtcNow(), kind, reason) { Channel = device.Description.Port, Device = device.Description });
}
