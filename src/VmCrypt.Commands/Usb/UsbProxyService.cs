using System.Diagnostics.CodeAnalysis;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Redir;

namespace VmCrypt.Commands.Usb;

/// <summary>A firewall between a usbredir host and QEMU.</summary>
[SuppressMessage("Design", "CA1001", Justification = "StopAsync is the one way to end it, and disposes the proxy.")]
public sealed class UsbProxyService : UsbService
{
    private readonly UsbRedirProxy _proxy;

    private UsbProxyService(UsbPolicy policy, ConfigurationFolder configuration, UsbRedirProxyOptions options)
        : base(policy, configuration) => _proxy = new UsbRedirProxy(policy, options, Report);

    public string Vm => _proxy.Options.Vm.Name;

    /// <summary>The side that has devices.</summary>
    public string From => _proxy.Options.Host.ToString();

    /// <summary>QEMU's side.</summary>
    public string To => _proxy.Options.Guest.ToString();

    /// <summary>The device that the VM sees through it now.</summary>
    public string? Device => IsRunning ? _proxy.Shown?.ToString() : null;

    internal static async ValueTask<UsbProxyService> StartAsync(UsbRedirProxyOptions options, CancellationToken cancellationToken)
    {
        ConfigurationFolder configuration = ConfigurationFolder.Default;
        UsbPolicy policy = await UsbPolicy.OpenAsync(new UsbWhitelistStore(configuration), cancellationToken);
        try
        {
            return new UsbProxyService(policy, configuration, options);
        }
        catch
        {
            await policy.DisposeAsync();
            throw;
        }
    }

    private protected override ValueTask StopWorkAsync() => _proxy.DisposeAsync();
}
