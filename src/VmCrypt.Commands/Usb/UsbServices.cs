using VmCrypt.Commands.Host;
using VmCrypt.Core.Usb.Guard;

namespace VmCrypt.Commands.Usb;

/// <summary>The guards and proxies of this process that outlive their command; stopped in order when the process ends.</summary>
internal static class UsbServices
{
    private static readonly Lock s_lock = new();
    private static readonly List<UsbService> s_running = [];

    static UsbServices() => AppDomain.CurrentDomain.ProcessExit += (_, _) => StopAll();

    public static IReadOnlyList<T> Running<T>()
        where T : UsbService
    {
        lock (s_lock)
        {
            s_running.RemoveAll(service => !service.IsRunning);
            return [.. s_running.OfType<T>()];
        }
    }

    public static void Add(UsbService service)
    {
        lock (s_lock)
        {
            s_running.Add(service);
        }
    }

    private static void StopAll() => Task.WhenAll(Running<UsbService>().Select(service => service.StopAsync())).GetAwaiter().GetResult();
}

/// <summary>A guard that another process runs in the foreground.</summary>
public sealed record ForeignUsbGuard(int ProcessId, DateTime StartedAt, IReadOnlyList<UsbVmState> Vms)
{
    public bool IsRunning => true;
}

/// <summary>A proxy that another process runs in the foreground.</summary>
public sealed record ForeignUsbProxy(int ProcessId, DateTime StartedAt, string Vm, string From, string To)
{
    public bool IsRunning => true;
}

/// <summary>A guarded VM in short.</summary>
public sealed record UsbVmState(string Name, Guid? Uuid, string Monitor, string State, string PlugsNoticed, string? Trouble, string[] Devices)
{
    internal static UsbVmState From(UsbGuardedVm vm) => new(
        vm.Name, vm.Uuid, vm.Monitor, vm.State.ToString(), vm.PlugsNoticed, vm.Trouble,
        [.. vm.Devices.Select(device => $"{device.Name} {device.Description?.Id ?? device.Type}")]);
}

/// <summary>What guards and proxies in the foreground leave for other processes to read.</summary>
internal static class UsbNotices
{
    private const string GuardSuffix = ".usbguard";
    private const string ProxySuffix = ".usbproxy";

    public static ProcessNotice<ForeignUsbGuard> Post(UsbGuardService guard) => ProcessNotice<ForeignUsbGuard>.Post(GuardSuffix, Describe(guard));

    public static ProcessNotice<ForeignUsbProxy> Post(UsbProxyService proxy) => ProcessNotice<ForeignUsbProxy>.Post(
        ProxySuffix, new ForeignUsbProxy(Environment.ProcessId, proxy.StartedAt, proxy.Vm, proxy.From, proxy.To));

    public static ForeignUsbGuard Describe(UsbGuardService guard) =>
        new(Environment.ProcessId, guard.StartedAt, [.. guard.Vms.Select(UsbVmState.From)]);

    public static IReadOnlyList<ProcessNotice<ForeignUsbGuard>> Guards() => ProcessNotice<ForeignUsbGuard>.Standing(GuardSuffix);

    public static IReadOnlyList<ProcessNotice<ForeignUsbProxy>> Proxies() => ProcessNotice<ForeignUsbProxy>.Standing(ProxySuffix);
}
