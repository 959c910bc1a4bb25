using System.Management.Automation;
using VmCrypt.Commands.Host;

namespace VmCrypt.Commands.Usb;

/// <summary>Shows the usbredir proxies that run, in this process and in others.</summary>
[Cmdlet(VerbsCommon.Get, "UsbRedirProxy")]
[OutputType(typeof(UsbProxyService), typeof(ForeignUsbProxy))]
public sealed class GetUsbRedirProxyCommand : VmCryptCmdlet
{
    private protected override void Process()
    {
        foreach (UsbProxyService proxy in UsbServices.Running<UsbProxyService>())
        {
            Shell.WriteObject(proxy);
        }

        foreach (ProcessNotice<ForeignUsbProxy> notice in UsbNotices.Proxies())
        {
            Shell.WriteObject(notice.Work);
        }
    }
}
