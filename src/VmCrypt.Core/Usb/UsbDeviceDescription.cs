using System.Globalization;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb;

/// <summary>What is known about a USB device where a decision about it falls.</summary>
/// <remarks>
/// A field is null where the channel does not show it, which is not the same as empty: a device without a serial number has "".
/// What is not shown never helps a device: an allowing rule that asks for it does not match, a denying one does.
/// </remarks>
public sealed record UsbDeviceDescription
{
    public required ushort VendorId { get; init; }

    public required ushort ProductId { get; init; }

    /// <summary>bcdDevice, the device's release in binary coded decimal: 0x0256 is version 2.56.</summary>
    public ushort? Version { get; init; }

    /// <summary><see cref="Version"/> as it is written: <c>2.56</c>.</summary>
    public string? VersionText => Version is { } version ? UsbVersion.Format(version) : null;

    public UsbClassCode? DeviceClass { get; init; }

    public IReadOnlyList<UsbClassCode>? Interfaces { get; init; }

    public string? Serial { get; init; }

    /// <summary>Where it is plugged in, as Linux names it: bus, dash, ports with dots (<c>1-2.4</c>).</summary>
    public string? Port { get; init; }

    public string? Manufacturer { get; init; }

    public string? Product { get; init; }

    /// <summary>Vendor and product: <c>048d:1169</c>.</summary>
    public string Id => $"{VendorId:x4}:{ProductId:x4}";

    /// <summary>Reads <c>048d:1169</c>; everything else stays unknown.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.UsbDeviceInvalid"/>.</exception>
    public static UsbDeviceDescription Parse(string text)
    {
        string[] parts = text.Split(':');
        if (parts.Length == 2 && TryId(parts[0], out ushort vendor) && TryId(parts[1], out ushort product))
        {
            return new UsbDeviceDescription { VendorId = vendor, ProductId = product };
        }

        throw new InvalidInputException(ErrorIds.UsbDeviceInvalid,
            $"'{text}' names no device; it has the form vendor:product in four hexadecimal digits each, such as 048d:1169.");
    }

    public override string ToString() => string.Join(' ', new[] { Id, Manufacturer, Product }.Where(part => !string.IsNullOrEmpty(part)));

    private static bool TryId(string text, out ushort value)
    {
        value = 0;
        return text.Length == 4 && ushort.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }
}
