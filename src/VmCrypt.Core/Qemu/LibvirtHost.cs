using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Threading.Channels;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>A running domain of libvirt.</summary>
public sealed record LibvirtDomain(string Name, Guid Uuid);

/// <summary>libvirt on this host, through virsh: its running domains, their monitors, the events of all of them.</summary>
/// <param name="connection">libvirt's URI, such as <c>qemu:///system</c>.</param>
/// <param name="patience">For each answer.</param>
public sealed partial class LibvirtHost(string connection, TimeSpan patience) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, Channel<QemuEvent>> _listeners = new();
    private readonly Lock _gate = new();
    private VirshShell? _shell;
    private Process? _events;

    public string Connection => connection;

    /// <summary>The domains that run now.</summary>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.MonitorLost"/>, <see cref="ErrorIds.MonitorTimeout"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.MonitorUnreachable"/>.</exception>
    public async Task<IReadOnlyList<LibvirtDomain>> DomainsAsync(CancellationToken cancellationToken)
    {
        _shell ??= VirshShell.Start(connection, patience);
        try
        {
            string[] lines = await _shell.RunAsync("list --uuid --name", cancellationToken);
            return [.. lines.Select(line => DomainLine().Match(line)).Where(match => match.Success)
                .Select(match => new LibvirtDomain(match.Groups["name"].Value, Guid.Parse(match.Groups["uuid"].Value)))];
        }
        catch (VmCryptException)
        {
            // A shell that failed once does not come back: the next call starts another.
            await _shell.DisposeAsync();
            _shell = null;
            throw;
        }
    }

    /// <summary>Opens the monitor of a domain; its events come from now on.</summary>
    public IQemuMonitor Open(string domain)
    {
        var events = Channel.CreateBounded<QemuEvent>(new BoundedChannelOptions(QmpClient.MaxUnreadEvents) { SingleReader = true });
        _listeners[domain] = events;
        Listen();
        return new LibvirtMonitor(domain, VirshShell.Start(connection, patience), events.Reader, () => Forget(domain, events));
    }

    public async ValueTask DisposeAsync()
    {
        if (_shell is not null)
        {
            await _shell.DisposeAsync();
        }

        lock (_gate)
        {
            End(_events);
            _events = null;
        }
    }

    /// <summary>Reads a line of <c>virsh qemu-monitor-event</c>.</summary>
    internal static (string Domain, QemuEvent Event)? ParseEvent(string line)
    {
        Match match = EventLine().Match(line);
        if (!match.Success)
        {
            return null;
        }

        try
        {
            using JsonDocument data = JsonDocument.Parse(match.Groups["data"].Value);
            return (match.Groups["domain"].Value, new QemuEvent(match.Groups["event"].Value, data.RootElement.Clone()));
        }
        catch (JsonException)
        {
            // Some events have no data.
            return (match.Groups["domain"].Value, new QemuEvent(match.Groups["event"].Value, default));
        }
    }

    private void Listen()
    {
        lock (_gate)
        {
            if (_events is null)
            {
                _events = VirshShell.Launch(connection, "qemu-monitor-event", "--loop");
                _ = PumpAsync(_events);
                _events.BeginErrorReadLine();
            }
        }
    }

    private async Task PumpAsync(Process events)
    {
        while (await events.StandardOutput.ReadLineAsync() is { } line)
        {
            if (ParseEvent(line) is var (domain, happening) && _listeners.TryGetValue(domain, out Channel<QemuEvent>? listener) && !listener.Writer.TryWrite(happening))
            {
                listener.Writer.TryComplete();
            }
        }

        lock (_gate)
        {
            End(events);
            _events = _events == events ? null : _events;
        }

        // Nobody hears anything any more: whoever listens has to open anew.
        foreach (Channel<QemuEvent> listener in _listeners.Values)
        {
            listener.Writer.TryComplete();
        }
    }

    private void Forget(string domain, Channel<QemuEvent> events)
    {
        events.Writer.TryComplete();
        _listeners.TryRemove(KeyValuePair.Create(domain, events));
    }

    private static void End(Process? process)
    {
        try
        {
            process?.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has ended by itself.
        }

        process?.Dispose();
    }

    [GeneratedRegex(@"^(?<uuid>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\s+(?<name>.*\S)\s*$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex DomainLine();

    [GeneratedRegex(@"^event (?<event>\w+) at [\d.]+ for domain '(?<domain>.*?)'(: (?<data>.*))?$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex EventLine();
}
