using System.Collections.Concurrent;
using System.Threading.Channels;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Usb.Host;
using VmCrypt.Core.Usb.Languages;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Guard;

/// <summary>Guards one VM over one connection to its monitor, until that ends.</summary>
/// <remarks>One loop looks and decides; what takes time (a removal, a new channel) runs beside it, one thing per device at a time.</remarks>
internal sealed class VmGuardSession
{
    private readonly VmIdentity _vm;
    private readonly IQemuMonitor _monitor;
    private readonly bool _libvirt;
    private readonly UsbGuardContext _guard;
    private readonly QemuUsbScanner _scanner;
    private readonly UsbDecider _decider;
    private readonly Departures _departures = new();
    private readonly Channel<Wake> _wakes = Channel.CreateUnbounded<Wake>(new UnboundedChannelOptions { SingleReader = true });
    private readonly ConcurrentDictionary<string, Task> _busy = new();
    private readonly ConcurrentDictionary<string, UsbDecision> _told = new();
    private readonly List<UsbRedirChannel> _unmade;

    /// <param name="unmade">Channels that a session before this one removed and could not make again; changed here.</param>
    public VmGuardSession(VmIdentity vm, IQemuMonitor monitor, bool libvirt, List<UsbRedirChannel> unmade, UsbGuardContext guard)
    {
        _unmade = unmade;
        _vm = vm;
        _monitor = monitor;
        _libvirt = libvirt;
        _guard = guard;
        _scanner = new QemuUsbScanner(monitor, guard.Host);
        _decider = new UsbDecider(guard.Options);
    }

    /// <summary>The devices as last seen.</summary>
    public IReadOnlyList<QemuUsbDevice> Devices { get; private set; } = [];

    /// <summary>The lists have changed, or somebody has noticed a plug.</summary>
    /// <param name="since">When, by the clock's timestamp: where latency is counted from.</param>
    /// <param name="scan">Ask QEMU for its devices first.</param>
    public void Wake(long since, bool scan) => _wakes.Writer.TryWrite(new Wake(since, scan));

    /// <exception cref="DeviceFaultException">The monitor is lost, or does not answer.</exception>
    /// <exception cref="ProtocolException">The monitor speaks no QMP.</exception>
    public async Task RunAsync(TimeSpan look, CancellationToken cancellationToken)
    {
        await _scanner.PrepareAsync(cancellationToken);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task events = PumpEventsAsync(stop.Token);
        try
        {
            await MakeUnmadeAsync(stop.Token);
            Wake(_guard.Clock.GetTimestamp(), scan: true);
            while (true)
            {
                Wake wake = await NextAsync(look, stop.Token);
                if (wake.Scan)
                {
                    Devices = await _scanner.ScanAsync(stop.Token);
                }

                if (events.IsCompleted)
                {
                    throw new DeviceFaultException(ErrorIds.MonitorLost, "The monitor sends no events any more.");
                }

                DecideAll(wake.Since, stop.Token);
            }
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll([events, .. _busy.Values]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // Everything that is waiting counts as one; its cause is the oldest.
    private async Task<Wake> NextAsync(TimeSpan look, CancellationToken cancellationToken)
    {
        using var quiet = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        quiet.CancelAfter(look);
        try
        {
            Wake wake = await _wakes.Reader.ReadAsync(quiet.Token);
            while (_wakes.Reader.TryRead(out Wake next))
            {
                wake = new Wake(Math.Min(wake.Since, next.Since), wake.Scan || next.Scan);
            }

            return wake;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new Wake(_guard.Clock.GetTimestamp(), Scan: true);
        }
    }

    private async Task PumpEventsAsync(CancellationToken cancellationToken)
    {
        await foreach (QemuEvent happening in _monitor.Events.ReadAllAsync(cancellationToken))
        {
            if (_departures.Take(happening) is { } gone)
            {
                _scanner.Forget(gone);
                Wake(_guard.Clock.GetTimestamp(), scan: true);
            }
        }

        // The connection has ended: the next look finds out how.
        Wake(_guard.Clock.GetTimestamp(), scan: true);
    }

    private void DecideAll(long since, CancellationToken cancellationToken)
    {
        foreach (string gone in _told.Keys.Except(Devices.Select(device => device.Path)).Where(path => !_busy.ContainsKey(path)).ToArray())
        {
            _told.TryRemove(gone, out _);
            Report(UsbEventKind.Unplugged, null, gone, "it is no longer in the VM");
        }

        foreach (QemuUsbDevice device in Devices.Where(device => !_busy.ContainsKey(device.Path)))
        {
            UsbDecision decision = Decide(device);
            Tell(device, decision);
            if (decision.Action != UsbAction.Leave)
            {
                // The entry is there before the work begins, so that the work can take it away at its end.
                var start = new TaskCompletionSource();
                _busy[device.Path] = ActAsync(start.Task, device, decision, since, cancellationToken);
                start.SetResult();
            }
        }
    }

    private void Tell(QemuUsbDevice device, UsbDecision decision)
    {
        bool known = _told.TryGetValue(device.Path, out UsbDecision? before);
        if (!known)
        {
            Report(UsbEventKind.Plugged, device, device.Name, device.Type);
        }

        if (before != decision && decision.Action != UsbAction.Refilter)
        {
            Report(decision.Action == UsbAction.Leave ? UsbEventKind.Allowed : UsbEventKind.Denied, device, device.Name, decision.Reason);
        }

        _told[device.Path] = decision;
    }

    private async Task ActAsync(Task start, QemuUsbDevice device, UsbDecision decision, long since, CancellationToken cancellationToken)
    {
        await start;
        try
        {
            if (decision.Action == UsbAction.Refilter)
            {
                await RefilterAsync(device, decision, since, cancellationToken);
            }
            else
            {
                await EjectAsync(device, decision.Reason, since, cancellationToken);
            }
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            // A lost monitor ends the session by itself; whatever else went wrong, the next look tries again.
            Report(UsbEventKind.Trouble, device, device.Name, fault.Message);
            await Task.Delay(_guard.Options.Look, cancellationToken);
        }
        finally
        {
            _told.TryRemove(device.Path, out _);
            _busy.TryRemove(device.Path, out _);
            Wake(_guard.Clock.GetTimestamp(), scan: true);
        }
    }

    private async Task EjectAsync(QemuUsbDevice device, string reason, long since, CancellationToken cancellationToken)
    {
        if (await RemoveAsync(device, cancellationToken))
        {
            Report(UsbEventKind.Ejected, device, device.Name, reason, since);
        }
    }

    // Steps, and what an end of the guard after each leaves: the channel is removed (no channel: nothing can be redirected); its
    // character device is made (the same); the device is made, with the filter (the channel as it shall be).
    private async Task RefilterAsync(QemuUsbDevice device, UsbDecision decision, long since, CancellationToken cancellationToken)
    {
        UsbRedirChannel? channel = await UsbRedirChannel.ReadAsync(_monitor, device, _libvirt, cancellationToken);
        if (!await RemoveAsync(device, cancellationToken))
        {
            return;
        }

        if (channel is null)
        {
            Report(UsbEventKind.Ejected, device, device.Name, $"{decision.Reason}, and a channel of this kind cannot be made again from here", since);
            return;
        }

        lock (_unmade)
        {
            _unmade.Add(channel);
        }

        // By the list as it is now: it may have changed again while the device went.
        await MakeAsync(channel, _decider.FilterOf(_guard.Policy.For(_vm), _guard.Clock.GetUtcNow()), cancellationToken);
        Report(UsbEventKind.Refiltered, device, device.Name, decision.Reason, since);
    }

    // Under a filter that allows nothing: the first look gives it the list's.
    private async Task MakeUnmadeAsync(CancellationToken cancellationToken)
    {
        foreach (UsbRedirChannel channel in _unmade.ToArray())
        {
            await MakeAsync(channel, UsbredirFilter.Format(UsbWhitelist.Empty, UsbredirFilter.QemuForm).Text, cancellationToken);
        }
    }

    private async Task MakeAsync(UsbRedirChannel channel, string filter, CancellationToken cancellationToken)
    {
        try
        {
            await channel.CreateAsync(_monitor, filter, cancellationToken);
        }
        catch (RefusedException refusal)
        {
            Report(UsbEventKind.Trouble, null, channel.Id, $"the channel cannot be made again: {refusal.Message}");
        }

        lock (_unmade)
        {
            _unmade.Remove(channel);
        }
    }

    private async Task<bool> RemoveAsync(QemuUsbDevice device, CancellationToken cancellationToken)
    {
        var removal = new DeviceRemoval(_monitor, _departures, _guard.Options.Patience);
        bool gone = await removal.RunAsync(
            device, () => Decide(device).Action != UsbAction.Leave, obstacle => Report(UsbEventKind.Resisted, device, device.Name, obstacle), cancellationToken);
        if (gone)
        {
            _scanner.Forget(device.Path);
        }

        return gone;
    }

    private UsbDecision Decide(QemuUsbDevice device) => _decider.Decide(device, _guard.Policy.For(_vm), _guard.Clock.GetUtcNow());

    private void Report(UsbEventKind kind, QemuUsbDevice? device, string channel, string reason, long? since = null) => _guard.Report(
        new UsbEvent(_guard.Clock.GetUtcNow(), kind, reason)
        {
            Vm = _vm,
            Channel = channel,
            Device = device?.Description,
            Latency = since is { } start ? _guard.Clock.GetElapsedTime(start) : null,
        });
}

/// <summary>Something for a session to look into.</summary>
internal readonly record struct Wake(long Since, bool Scan);

/// <summary>What all sessions of a guard share.</summary>
internal sealed record UsbGuardContext(UsbPolicy Policy, HostUsb Host, UsbGuardOptions Options, TimeProvider Clock, Action<UsbEvent> Report);
