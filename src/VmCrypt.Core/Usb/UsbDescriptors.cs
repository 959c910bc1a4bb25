using System.Buffers.Binary;
using System.Text;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Usb;

/// <summary>The device descriptor (USB 2.0, table 9-8).</summary>
/// <remarks><code>
/// 0 bLength=18  1 bDescriptorType=1  2 bcdUSB  4 bDeviceClass  5 bDeviceSubClass  6 bDeviceProtocol  7 bMaxPacketSize0
/// 8 idVendor  10 idProduct  12 bcdDevice  14 iManufacturer  15 iProduct  16 iSerialNumber  17 bNumConfigurations
/// </code></remarks>
internal readonly record struct UsbDeviceDescriptor(UsbClassCode Class, ushort VendorId, ushort ProductId, ushort Version, byte SerialIndex)
{
    public const int Size = 18;
    public const byte Type = 1;

    /// <exception cref="ProtocolException"><see cref="ErrorIds.UsbDescriptorInvalid"/>.</exception>
    public static UsbDeviceDescriptor Parse(ReadOnlySpan<byte> bytes) => bytes.Length >= Size && bytes[0] >= Size && bytes[1] == Type
        ? new UsbDeviceDescriptor(
            new UsbClassCode(bytes[4], bytes[5], bytes[6]), BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..]),
            BinaryPrimitives.ReadUInt16LittleEndian(bytes[10..]), BinaryPrimitives.ReadUInt16LittleEndian(bytes[12..]), bytes[16])
        : throw new ProtocolException(ErrorIds.UsbDescriptorInvalid, $"The device descriptor has {bytes.Length} bytes or a wrong header; it has {Size} and type {Type}.");
}

/// <summary>An interface as a configuration lists it.</summary>
internal readonly record struct UsbInterfaceDescriptor(byte Number, byte AlternateSetting, UsbClassCode Class);

/// <summary>A configuration descriptor with all that follows it (USB 2.0, tables 9-10 and 9-12).</summary>
internal sealed record UsbConfiguration(byte Value, IReadOnlyList<UsbInterfaceDescriptor> Interfaces)
{
    public const byte Type = 2;

    public const int HeaderSize = 9;

    private const byte InterfaceType = 4;

    /// <summary>The classes of the interfaces as the device starts: alternate setting 0 of each, or all of one that has no 0.</summary>
    public IReadOnlyList<UsbClassCode> Classes
    {
        get
        {
            HashSet<byte> ordinary = [.. Interfaces.Where(one => one.AlternateSetting == 0).Select(one => one.Number)];
            return [.. Interfaces.Where(one => one.AlternateSetting == 0 || !ordinary.Contains(one.Number)).Select(one => one.Class)];
        }
    }

    /// <summary>Bytes of the whole configuration, from its first nine bytes.</summary>
    public static int TotalLength(ReadOnlySpan<byte> bytes) => bytes.Length >= HeaderSize && bytes[0] >= HeaderSize && bytes[1] == Type
        ? BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..])
        : throw Invalid("does not start with a configuration's header");

    /// <exception cref="ProtocolException"><see cref="ErrorIds.UsbDescriptorInvalid"/>.</exception>
    public static UsbConfiguration Parse(ReadOnlySpan<byte> bytes) => TotalLength(bytes) == bytes.Length
        ? Read(bytes)
        : throw Invalid($"has {bytes.Length} bytes and says {TotalLength(bytes)}");

    /// <summary>Reads as much of a configuration as there is; the end may be missing, in the middle of a descriptor too.</summary>
    /// <exception cref="ProtocolException"><see cref="ErrorIds.UsbDescriptorInvalid"/>.</exception>
    public static UsbConfiguration Read(ReadOnlySpan<byte> bytes)
    {
        bool whole = TotalLength(bytes) == bytes.Length;
        byte value = bytes[5];
        var interfaces = new List<UsbInterfaceDescriptor>();
        while (!bytes.IsEmpty)
        {
            bool cutOff = bytes.Length < 2 || bytes[0] > bytes.Length;
            if (cutOff && !whole)
            {
                break;
            }

            if (cutOff || bytes[0] < 2)
            {
                throw Invalid("holds a descriptor that does not fit into it");
            }

            if (bytes[1] == InterfaceType)
            {
                interfaces.Add(bytes[0] >= HeaderSize
                    ? new UsbInterfaceDescriptor(bytes[2], bytes[3], new UsbClassCode(bytes[5], bytes[6], bytes[7]))
                    : throw Invalid($"holds an interface of {bytes[0]} bytes instead of {HeaderSize}"));
            }

            bytes = bytes[bytes[0]..];
        }

        return new UsbConfiguration(value, interfaces);
    }

    private static ProtocolException Invalid(string defect) => new(ErrorIds.UsbDescriptorInvalid, $"The configuration descriptor {defect}.");
}

/// <summary>A string descriptor (USB 2.0, table 9-16): length, type 3, UTF-16.</summary>
internal static class UsbStringDescriptor
{
    public const byte Type = 3;

    /// <exception cref="ProtocolException"><see cref="ErrorIds.UsbDescriptorInvalid"/>.</exception>
    public static string Parse(ReadOnlySpan<byte> bytes) => Encoding.Unicode.GetString(Content(bytes)).TrimEnd('\0');

    /// <summary>The first language that the device has strings in, from string 0.</summary>
    public static ushort FirstLanguage(ReadOnlySpan<byte> bytes) =>
        Content(bytes) is { Length: >= 2 } languages ? BinaryPrimitives.ReadUInt16LittleEndian(languages) : throw Invalid(bytes);

    private static ReadOnlySpan<byte> Content(ReadOnlySpan<byte> bytes) =>
        bytes.Length >= 2 && bytes[0] >= 2 && bytes[0] <= bytes.Length && bytes[0] % 2 == 0 && bytes[1] == Type ? bytes[2..bytes[0]] : throw Invalid(bytes);

    private static ProtocolException Invalid(ReadOnlySpan<byte> bytes) =>
        new(ErrorIds.UsbDescriptorInvalid, $"The string descriptor of {bytes.Length} bytes has a wrong length or type.");
}
