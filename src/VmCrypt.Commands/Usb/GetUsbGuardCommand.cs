using System.Management.Automation;
using VmCrypt.Commands.Host;

namespace VmCrypt.Commands.Usb;

/// <summary>Shows the guards that run, in this process and in others.</summary>
[Cmdlet(VerbsCommon.Get, "UsbGuard")]
[OutputType(typeof(UsbGuardService), typeof(ForeignUsbGuard))]
public sealed class GetUsbGuardCommand : VmCryptCmdlet
{
    private protected override void Process()
    {
        foreach (UsbGuardService guard in UsbServices.Running<UsbGuardService>())
        {
            Shell.WriteObject(guard);
        }

        foreach (ProcessNotice<ForeignUsbGuard> notice in UsbNotices.Guards())
        {
            Shell.WriteObject(notice.Work);
        }
    }
}
