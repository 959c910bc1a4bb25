using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Usb.Host;

/// <summary>The USB devices of a Linux host, through sysfs.</summary>
/// <param name="root">Where sysfs shows them.</param>
public sealed class HostUsb(string root = HostUsb.DefaultRoot)
{
    public const string DefaultRoot = "/sys/bus/usb/devices";

    private const string DeviceDefault = "authorized_default";
    private const string InterfaceDefault = "interface_authorized_default";

    public string Root => root;

    /// <summary>Every device that can be read, root hubs among them, by port.</summary>
    public IReadOnlyList<HostUsbDevice> Devices() => !Directory.Exists(root) ? [] :
    [
        // Interfaces (1-2:1.0) lie beside the devices.
        .. Directory.EnumerateDirectories(root).Where(folder => !Path.GetFileName(folder).Contains(':', StringComparison.Ordinal))
            .Order(StringComparer.Ordinal).Select(HostUsbDevice.TryRead).OfType<HostUsbDevice>(),
    ];

    /// <summary>Lets the host use a device, or takes it from the host.</summary>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.AccessDenied"/>, <see cref="ErrorIds.DeviceIO"/>.</exception>
    public static void SetAuthorized(HostUsbDevice device, bool authorized) => Write(Path.Combine(device.Folder, "authorized"), authorized);

    /// <summary>What devices on a bus start out as.</summary>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.AccessDenied"/>, <see cref="ErrorIds.DeviceIO"/>.</exception>
    internal static HostBusDefaults DefaultsOf(HostUsbDevice rootHub) =>
        new(Read(Path.Combine(rootHub.Folder, DeviceDefault)), Read(Path.Combine(rootHub.Folder, InterfaceDefault)));

    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.AccessDenied"/>, <see cref="ErrorIds.DeviceIO"/>.</exception>
    internal static void SetDefaults(HostUsbDevice rootHub, HostBusDefaults defaults)
    {
        Write(Path.Combine(rootHub.Folder, DeviceDefault), defaults.Devices);
        Write(Path.Combine(rootHub.Folder, InterfaceDefault), defaults.Interfaces);
    }

    /// <summary>Opens the interfaces of an authorised device to programs (QEMU), without letting a driver of the host have them.</summary>
    public static void AuthorizeInterfaces(HostUsbDevice device)
    {
        foreach (string folder in Directory.EnumerateDirectories(device.Folder, Path.GetFileName(device.Folder) + ":*"))
        {
            Write(Path.Combine(folder, "authorized"), on: true);
        }
    }

    /// <summary>Lets the host's own drivers have the interfaces of a device, which authorising alone does not.</summary>
    public static void ProbeDrivers(HostUsbDevice device)
    {
        string probe = Path.GetFullPath(Path.Combine(device.Folder, "../../drivers_probe"));
        foreach (string folder in Directory.EnumerateDirectories(device.Folder, Path.GetFileName(device.Folder) + ":*"))
        {
            Write(probe, Path.GetFileName(folder));
        }
    }

    private static void Write(string path, bool on) => Write(path, on ? "1" : "0");

    private static string Read(string path) => Attempt(path, () => File.ReadAllText(path).TrimEnd('\n'), "read");

    private static void Write(string path, string text) => Attempt(path, () => { File.WriteAllText(path, text); return text; }, "written");

    private static string Attempt(string path, Func<string> access, string what)
    {
        try
        {
            return access();
        }
        catch (UnauthorizedAccessException fault)
        {
            throw new DeviceFaultException(ErrorIds.AccessDenied, $"'{path}' cannot be {what}: {fault.Message}", fault);
        }
        catch (IOException fault)
        {
            throw new DeviceFaultException(ErrorIds.DeviceIO, $"'{path}' cannot be {what}: {fault.Message}", fault);
        }
    }
}

/// <summary>What devices on a bus start out as, in sysfs's words: whether they are authorised, and whether their interfaces are (without which no driver of the host takes them).</summary>
internal sealed record HostBusDefaults(string Devices, string Interfaces)
{
    /// <summary>Nothing is authorised by itself.</summary>
    public static HostBusDefaults Closed { get; } = new("0", "0");
}
