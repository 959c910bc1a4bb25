using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.Usb;

/// <summary>Ends the guards that run, in this process and in others. Devices stay as they are.</summary>
[Cmdlet(VerbsLifecycle.Stop, "UsbGuard", SupportsShouldProcess = true)]
public sealed class StopUsbGuardCommand : VmCryptCmdlet
{
    /// <summary>The process that runs the guard; all guards without it.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    public int? ProcessId { get; set; }

    private protected override void Process()
    {
        int stopped = 0;
        foreach (UsbGuardService guard in UsbServices.Running<UsbGuardService>().Where(_ => ProcessId is null || ProcessId == Environment.ProcessId))
        {
            Stop($"process {Environment.ProcessId}", _ => new ValueTask(guard.StopAsync()), ref stopped);
        }

        foreach (ProcessNotice<ForeignUsbGuard> notice in UsbNotices.Guards().Where(notice => ProcessId is null || ProcessId == notice.ProcessId))
        {
            Stop($"process {notice.ProcessId}", notice.StopAsync, ref stopped);
        }

        if (stopped == 0)
        {
            throw new MissingException(ErrorIds.UsbServiceMissing, "No USB guard runs there.");
        }
    }

    private void Stop(string where, Func<CancellationToken, ValueTask> stop, ref int stopped)
    {
        stopped++;
        if (Shell.ShouldProcess(where, "Stop guarding USB devices"))
        {
            Attempt(where, () => Run(stop));
        }
    }
}
