using System.Threading.Channels;
using VmCrypt.Core.Audit;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Usb.Guard;

/// <summary>Writes the guard's events into the audit log, in their order, without anybody waiting for the disk.</summary>
public sealed class UsbAudit : IAsyncDisposable
{
    private readonly AuditLog _log;
    private readonly Action<string> _complain;
    private readonly Channel<UsbEvent> _events = Channel.CreateUnbounded<UsbEvent>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Task _writing;

    /// <param name="complain">Told when an entry cannot be written; guarding goes on.</param>
    public UsbAudit(AuditLog log, Action<string> complain)
    {
        _log = log;
        _complain = complain;
        _writing = Task.Run(WriteAsync);
    }

    public void Report(UsbEvent happening) => _events.Writer.TryWrite(happening);

    /// <summary>Writes what is still waiting, and ends.</summary>
    public async ValueTask DisposeAsync()
    {
        _events.Writer.TryComplete();
        await _writing;
    }

    private async Task WriteAsync()
    {
        await foreach (UsbEvent happening in _events.Reader.ReadAllAsync())
        {
            try
            {
                await _log.AppendAsync(Entry(happening), CancellationToken.None);
            }
            catch (VmCryptException fault)
            {
                _complain(fault.Message);
            }
        }
    }

    private static AuditEvent Entry(UsbEvent happening)
    {
        var details = new Dictionary<string, string> { ["reason"] = happening.Reason };
        if (happening.Channel is { } channel)
        {
            details["channel"] = channel;
        }

        if (happening.Device is { } device)
        {
            details["device"] = device.ToString();
            details["serial"] = device.Serial ?? "not shown";
        }

        if (happening.Latency is { } latency)
        {
            details["latency"] = $"{latency.TotalMilliseconds:0.000} ms";
        }

        string target = happening.Device?.Id ?? happening.Channel ?? "usb";
        return new AuditEvent($"Usb.{Action(happening.Kind)}", target, Outcome(happening.Kind)) { VM = happening.Vm?.Name, Details = details };
    }

    private static string Action(UsbEventKind kind) => kind switch
    {
        UsbEventKind.Plugged => "Plug",
        UsbEventKind.Unplugged => "Unplug",
        UsbEventKind.Allowed or UsbEventKind.Denied => "Judge",
        UsbEventKind.Ejected or UsbEventKind.Resisted => "Eject",
        UsbEventKind.Refiltered => "Refilter",
        UsbEventKind.HostAuthorized or UsbEventKind.HostDeauthorized => "Authorize",
        UsbEventKind.ListBroken or UsbEventKind.ListMended => "ReadList",
        _ => "Guard",
    };

    private static string Outcome(UsbEventKind kind) => kind switch
    {
        UsbEventKind.Denied or UsbEventKind.HostDeauthorized => "Refused",
        UsbEventKind.Resisted or UsbEventKind.VmLost or UsbEventKind.ListBroken or UsbEventKind.Trouble => "Failed",
        UsbEventKind.Allowed or UsbEventKind.HostAuthorized => "Allowed",
        _ => "Done",
    };
}
