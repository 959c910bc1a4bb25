using System.Collections.Frozen;

namespace VmCrypt.Core.Usb.Guard;

/// <summary>What the USB devices that QEMU emulates say about themselves (hw/usb of QEMU 7.2 to 10).</summary>
internal static class EmulatedUsb
{
    // Type, device class, vendor, product, interfaces.
    private static readonly FrozenDictionary<string, UsbDeviceDescription> s_devices = new[]
    {
        Device("usb-hub", 0x0409, 0x55aa, "09:00:00", "09:00:00"),
        Device("usb-tablet", 0x0627, 0x0001, "00:00:00", "03:00:00"),
        Device("usb-mouse", 0x0627, 0x0001, "00:00:00", "03:01:02"),
        Device("usb-kbd", 0x0627, 0x0001, "00:00:00", "03:01:01"),
        Device("usb-wacom-tablet", 0x056a, 0x0000, "00:00:00", "03:01:02"),
        Device("usb-storage", 0x46f4, 0x0001, "00:00:00", "08:06:50"),
        Device("usb-bot", 0x46f4, 0x0001, "00:00:00", "08:06:50"),
        Device("usb-uas", 0x46f4, 0x0003, "00:00:00", "08:06:62"),
        Device("usb-audio", 0x46f4, 0x0002, "00:00:00", "01:01:00", "01:02:00"),
        Device("usb-mtp", 0x46f4, 0x0004, "00:00:00", "06:01:01"),
        Device("usb-net", 0x0525, 0xa4a2, "02:00:00", "02:02:ff", "0a:00:00"),
        Device("usb-serial", 0x0403, 0x6001, "00:00:00", "ff:ff:ff"),
        Device("usb-braille", 0x0403, 0xfe72, "00:00:00", "ff:ff:ff"),
        Device("usb-ccid", 0x08e6, 0x4433, "00:00:00", "0b:00:00"),
        Device("u2f-emulated", 0x46f4, 0x0005, "00:00:00", "03:00:00"),
        Device("u2f-passthru", 0x46f4, 0x0005, "00:00:00", "03:00:00"),
        Device("canokey", 0x20a0, 0x42d4, "00:00:00", "03:00:00", "0b:00:00", "ff:ff:ff"),
    }.ToFrozenDictionary(device => device.Type, device => device.Description);

    // They bring nothing of a user's or the host's into the VM, and without them it has no console.
    private static readonly FrozenSet<string> s_furniture = new[] { "usb-hub", "usb-tablet", "usb-mouse", "usb-kbd", "usb-wacom-tablet" }.ToFrozenSet();

    public static UsbDeviceDescription? Describe(string type) => s_devices.GetValueOrDefault(type);

    /// <summary>Hubs and input devices of QEMU itself.</summary>
    public static bool IsFurniture(string type) => s_furniture.Contains(type);

    private static (string Type, UsbDeviceDescription Description) Device(string type, ushort vendor, ushort product, string own, params string[] interfaces) =>
        (type, new UsbDeviceDescription
        {
            VendorId = vendor,
            ProductId = product,
            DeviceClass = UsbClassCode.Parse(own),
            Interfaces = [.. interfaces.Select(UsbClassCode.Parse)],
            Product = $"QEMU {type}",
        });
}
