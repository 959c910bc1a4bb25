using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.Usb;

/// <summary>Ends usbredir proxies; the VMs lose the devices that came through them.</summary>
[Cmdlet(VerbsLifecycle.Stop, "UsbRedirProxy", SupportsShouldProcess = true)]
public sealed class StopUsbRedirProxyCommand : VmCryptCmdlet
{
    /// <summary>The VM whose proxies end; all proxies without it.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("VMName")]
    [ValidateNotNullOrEmpty]
    public string? Vm { get; set; }

    private protected override void Process()
    {
        int stopped = 0;
        foreach (UsbProxyService proxy in UsbServices.Running<UsbProxyService>().Where(proxy => Vm is null || proxy.Vm == Vm))
        {
            Stop($"{proxy.From} to {proxy.To}", _ => new ValueTask(proxy.StopAsync()), ref stopped);
        }

        foreach (ProcessNotice<ForeignUsbProxy> notice in UsbNotices.Proxies().Where(notice => Vm is null || notice.Work.Vm == Vm))
        {
            Stop($"{notice.Work.From} to {notice.Work.To} in process {notice.ProcessId}", notice.StopAsync, ref stopped);
        }

        if (stopped == 0)
        {
            throw new MissingException(ErrorIds.UsbServiceMissing, Vm is null ? "No usbredir proxy runs." : $"No usbredir proxy of {Vm} runs.");
        }
    }

    private void Stop(string which, Func<CancellationToken, ValueTask> stop, ref int stopped)
    {
        stopped++;
        if (Shell.ShouldProcess(which, "Stop passing USB devices"))
        {
            Attempt(which, () => Run(stop));
        }
    }
}
