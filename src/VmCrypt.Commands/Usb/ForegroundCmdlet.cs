using VmCrypt.Commands.Host;
using VmCrypt.Core.Usb.Guard;

namespace VmCrypt.Commands.Usb;

/// <summary>A command that starts a guard or proxy: it goes on in PowerShell's background, or here in the foreground until the stop.</summary>
public abstract class ForegroundCmdlet : VmCryptCmdlet
{
    private static readonly TimeSpan s_tick = TimeSpan.FromSeconds(1);

    private UsbService? _service;

    private protected void Begin(UsbService service)
    {
        if (Shell.OutlivesCommand)
        {
            UsbServices.Add(service);
            Shell.WriteObject(service);
        }
        else
        {
            _service = service;
        }
    }

    /// <summary>What other processes are to know; disposed at the end.</summary>
    private protected abstract IProcessNotice Announce(UsbService service);

    /// <summary>Called now and then while the service works.</summary>
    private protected virtual void Refresh(UsbService service, IProcessNotice notice)
    {
    }

    private protected override void End()
    {
        if (_service is not { } service)
        {
            return;
        }

        using IProcessNotice notice = Announce(service);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(StopToken, notice.StopRequested);
        ServiceManager.Ready();
        while (!stop.IsCancellationRequested)
        {
            foreach (UsbEvent happening in Run(_ => NextAsync(service, stop.Token)))
            {
                Shell.WriteObject(UsbLogLine.From(happening));
            }

            Refresh(service, notice);
        }

        ServiceManager.Stopping();
        service.StopAsync().GetAwaiter().GetResult();
    }

    protected override void Dispose(bool disposing)
    {
        _service?.StopAsync().GetAwaiter().GetResult();
        base.Dispose(disposing);
    }

    private static async ValueTask<List<UsbEvent>> NextAsync(UsbService service, CancellationToken cancellationToken)
    {
        List<UsbEvent> events = [];
        using var tick = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        tick.CancelAfter(s_tick);
        try
        {
            await service.Unread.WaitToReadAsync(tick.Token);
        }
        catch (OperationCanceledException)
        {
            // Nothing has happened, and it is time for the notice; or to stop, which is no failure.
        }

        while (service.Unread.TryRead(out UsbEvent? happening))
        {
            events.Add(happening);
        }

        return events;
    }
}
