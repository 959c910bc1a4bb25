using System.Globalization;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Usb.Host;

/// <summary>A USB device of this host, as sysfs shows it.</summary>
/// <param name="Folder">Its folder in sysfs.</param>
/// <param name="Authorized">The kernel lets the host use it.</param>
public sealed record HostUsbDevice(UsbDeviceDescription Description, int Bus, int Address, bool Authorized, string Folder)
{
    public bool IsHub => Description.DeviceClass?.BaseClass == UsbClassCode.Hub;

    /// <summary>A root hub is the controller itself and belongs to no VM.</summary>
    public bool IsRootHub => Path.GetFileName(Folder).StartsWith("usb", StringComparison.Ordinal);

    /// <summary>Null for a folder that is no device, or one that goes away under our eyes.</summary>
    internal static HostUsbDevice? TryRead(string folder)
    {
        try
        {
            UsbDeviceDescriptor device = UsbDeviceDescriptor.Parse(Descriptors(folder));
            var description = new UsbDeviceDescription
            {
                VendorId = device.VendorId,
                ProductId = device.ProductId,
                Version = device.Version,
                DeviceClass = device.Class,
                Interfaces = Interfaces(folder),
                Serial = Text(folder, "serial") ?? string.Empty,
                Port = Path.GetFileName(folder),
                Manufacturer = Text(folder, "manufacturer"),
                Product = Text(folder, "product"),
            };
            return new HostUsbDevice(description, Number(folder, "busnum"), Number(folder, "devnum"), Text(folder, "authorized") == "1", folder);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or ProtocolException or FormatException)
        {
            return null;
        }
    }

    // Read from the descriptors themselves, for an unauthorised device has no interfaces in sysfs.
    private static IReadOnlyList<UsbClassCode>? Interfaces(string folder)
    {
        string? active = Text(folder, "bConfigurationValue");
        UsbConfiguration? first = null;
        ReadOnlySpan<byte> rest = Descriptors(folder).AsSpan(UsbDeviceDescriptor.Size);
        while (!rest.IsEmpty)
        {
            int length = UsbConfiguration.TotalLength(rest);
            if (length > rest.Length)
            {
                return null;
            }

            var configuration = UsbConfiguration.Parse(rest[..length]);
            if (active == configuration.Value.ToString(CultureInfo.InvariantCulture))
            {
                return configuration.Classes;
            }

            first ??= configuration;
            rest = rest[length..];
        }

        return first?.Classes;
    }

    // sysfs gives the greatest length that descriptors can have as this file's: the end is where reading ends.
    private static byte[] Descriptors(string folder)
    {
        using FileStream file = File.OpenRead(Path.Combine(folder, "descriptors"));
        using var bytes = new MemoryStream();
        file.CopyTo(bytes);
        return bytes.ToArray();
    }

    private static string? Text(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        return File.Exists(path) ? File.ReadAllText(path).TrimEnd('\n') : null;
    }

    private static int Number(string folder, string name) => int.Parse(Text(folder, name) ?? string.Empty, NumberStyles.None, CultureInfo.InvariantCulture);
}
