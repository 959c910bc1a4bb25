using VmCrypt.Core.Usb;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Host;

namespace VmCrypt.Commands.Usb;

/// <summary>A USB device of the host or of a VM, as texts that pipe into the other commands.</summary>
public sealed record UsbDevice
{
    /// <summary>Vendor and product: <c>048d:1169</c>; null for a redirection channel, behind which nobody can see.</summary>
    public string? Device { get; init; }

    public string? Manufacturer { get; init; }

    public string? Product { get; init; }

    /// <summary>"" where the device has none, null where it is not shown.</summary>
    public string? Serial { get; init; }

    /// <summary>bcdDevice: <c>2.56</c>.</summary>
    public string? Version { get; init; }

    /// <summary>Class, subclass and protocol of the device itself.</summary>
    public string? Class { get; init; }

    /// <summary>The same of each interface.</summary>
    public string[]? Interface { get; init; }

    /// <summary>Where it is plugged into the host.</summary>
    public string? Port { get; init; }

    /// <summary>Whether the host may use it; null for devices of VMs.</summary>
    public bool? Authorized { get; init; }

    public string? Vm { get; init; }

    /// <summary>The id of QEMU's device.</summary>
    public string? Channel { get; init; }

    /// <summary>QEMU's kind of device; <c>host</c> for one of the host.</summary>
    public string Type { get; init; } = "host";

    /// <summary>The filter of a redirection channel.</summary>
    public string? Filter { get; init; }

    internal static UsbDevice From(HostUsbDevice device) => From(device.Description) with { Authorized = device.Authorized };

    internal static UsbDevice From(string vm, QemuUsbDevice device) =>
        (device.Description is { } known ? From(known) : new UsbDevice()) with { Vm = vm, Channel = device.Name, Type = device.Type, Filter = device.Filter };

    private static UsbDevice From(UsbDeviceDescription device) => new()
    {
        Device = device.Id,
        Manufacturer = device.Manufacturer,
        Product = device.Product,
        Serial = device.Serial,
        Version = device.VersionText,
        Class = device.DeviceClass?.ToString(),
        Interface = device.Interfaces is { } interfaces ? [.. interfaces.Select(code => code.ToString())] : null,
        Port = device.Port,
    };
}
