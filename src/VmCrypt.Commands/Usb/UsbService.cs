using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using VmCrypt.Core.Audit;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Lists;

namespace VmCrypt.Commands.Usb;

/// <summary>A guard or proxy that works until it is stopped: the lists it obeys, the log it writes, the events it tells.</summary>
[SuppressMessage("Design", "CA1001", Justification = "StopAsync is the one way to end it, and disposes the log.")]
public abstract class UsbService
{
    private const int Remembered = 1000;

    private readonly Queue<UsbEvent> _events = new();
    private readonly Lock _gate = new();
    private readonly Channel<UsbEvent> _unread = Channel.CreateBounded<UsbEvent>(
        new BoundedChannelOptions(Remembered) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });

    private readonly UsbAudit _audit;
    private Task? _stopping;

    private protected UsbService(UsbPolicy policy, ConfigurationFolder configuration)
    {
        Policy = policy;
        _audit = new UsbAudit(AuditLog.Of(configuration), complaint => Remember(new UsbEvent(DateTimeOffset.Now, UsbEventKind.Trouble, complaint)));
    }

    public DateTime StartedAt { get; } = DateTime.Now;

    public bool IsRunning => _stopping is null;

    /// <summary>The latest events, oldest first.</summary>
    public IReadOnlyList<UsbEvent> Events
    {
        get
        {
            lock (_gate)
            {
                return [.. _events];
            }
        }
    }

    private protected UsbPolicy Policy { get; }

    /// <summary>Events as they come; the oldest are dropped when nobody reads them.</summary>
    internal ChannelReader<UsbEvent> Unread => _unread.Reader;

    /// <summary>Ends everything in order; any number of calls wait for the same end.</summary>
    internal Task StopAsync()
    {
        lock (_gate)
        {
            return _stopping ??= StopOnceAsync();
        }
    }

    private protected abstract ValueTask StopWorkAsync();

    private protected void Report(UsbEvent happening)
    {
        Remember(happening);
        _audit.Report(happening);
    }

    private void Remember(UsbEvent happening)
    {
        lock (_gate)
        {
            _events.Enqueue(happening);
            if (_events.Count > Remembered)
            {
                _events.Dequeue();
            }
        }

        _unread.Writer.TryWrite(happening);
    }

    private async Task StopOnceAsync()
    {
        await StopWorkAsync();
        await Policy.DisposeAsync();
        await _audit.DisposeAsync();
        _unread.Writer.TryComplete();
    }
}
