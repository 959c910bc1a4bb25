using System.Diagnostics.CodeAnalysis;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Host;
using VmCrypt.Core.Usb.Lists;

namespace VmCrypt.Commands.Usb;

/// <summary>A guard of running VMs.</summary>
[SuppressMessage("Design", "CA1001", Justification = "StopAsync is the one way to end it, and disposes the guard.")]
public sealed class UsbGuardService : UsbService
{
    private readonly UsbGuard _guard;
    private readonly HostUsbGate? _gate;

    private UsbGuardService(UsbPolicy policy, ConfigurationFolder configuration, UsbGuardSources sources, UsbGuardOptions options, bool gateHost)
        : base(policy, configuration)
    {
        var host = new HostUsb();
        _guard = new UsbGuard(policy, sources, options, Report, host);
        _gate = gateHost ? new HostUsbGate(host, policy, () => [.. _guard.Vms.Select(vm => new VmIdentity(vm.Name, vm.Uuid))], Report) : null;
    }

    /// <summary>The VMs, as they are now.</summary>
    public IReadOnlyList<UsbGuardedVm> Vms => IsRunning ? _guard.Vms : [];

    /// <summary>The host's own devices are kept from it until a list allows them to a VM.</summary>
    public bool GatesHost => _gate is not null;

    internal static async ValueTask<UsbGuardService> StartAsync(
        UsbGuardSources sources, UsbGuardOptions options, bool gateHost, CancellationToken cancellationToken)
    {
        ConfigurationFolder configuration = ConfigurationFolder.Default;
        UsbPolicy policy = await UsbPolicy.OpenAsync(new UsbWhitelistStore(configuration), cancellationToken);
        try
        {
            return new UsbGuardService(policy, configuration, sources, options, gateHost);
        }
        catch
        {
            await policy.DisposeAsync();
            throw;
        }
    }

    private protected override async ValueTask StopWorkAsync()
    {
        if (_gate is not null)
        {
            await _gate.DisposeAsync();
        }

        await _guard.DisposeAsync();
    }
}
