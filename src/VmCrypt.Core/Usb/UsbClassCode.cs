using System.Globalization;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Usb;

/// <summary>What a device, or one interface of it, is: base class, subclass and protocol as USB-IF numbers them.</summary>
public readonly record struct UsbClassCode(byte BaseClass, byte Subclass, byte Protocol)
{
    /// <summary>A device of this class says what it is interface by interface.</summary>
    public const byte PerInterface = 0x00;

    public const byte Hid = 0x03;

    public const byte Hub = 0x09;

    /// <summary>Composite devices with interface association descriptors; as good as <see cref="PerInterface"/>.</summary>
    public const byte Miscellaneous = 0xef;

    /// <summary>A human interface device that no firmware could boot with: the volume keys of a headset, say.</summary>
    public bool IsNonBootHid => this == new UsbClassCode(Hid, 0, 0);

    /// <summary>Reads <c>08:06:50</c>.</summary>
    public static UsbClassCode Parse(string text)
    {
        string[] parts = text.Split(':');
        if (parts.Length == 3 && TryByte(parts[0], out byte first) && TryByte(parts[1], out byte second) && TryByte(parts[2], out byte third))
        {
            return new UsbClassCode(first, second, third);
        }

        throw new InvalidInputException(ErrorIds.UsbDeviceInvalid,
            $"'{text}' is no class code; it has the form class:subclass:protocol in hexadecimal, such as 08:06:50.");
    }

    public override string ToString() => $"{BaseClass:x2}:{Subclass:x2}:{Protocol:x2}";

    private static bool TryByte(string text, out byte value) =>
        byte.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
}
