using System.Text;
using VmCrypt.Core.Usb;

namespace VmCrypt.Core.Tests.Usb.Redir;

/// <summary>Descriptors as devices send them.</summary>
internal static class UsbDescriptorBytes
{
    public static byte[] Device(ushort vendor, ushort product, ushort version = 0x100, byte serialIndex = 0, UsbClassCode own = default, ushort usb = 0x200) =>
    [
        18, 1, (byte)usb, (byte)(usb >> 8), own.BaseClass, own.Subclass, own.Protocol, 64,
        (byte)vendor, (byte)(vendor >> 8), (byte)product, (byte)(product >> 8), (byte)version, (byte)(version >> 8), 1, 2, serialIndex, 1,
    ];

    /// <summary>One configuration, its interfaces with one bulk endpoint in and one out each.</summary>
    public static byte[] Configuration(params UsbClassCode[] interfaces)
    {
        var body = new List<byte>();
        for (int index = 0; index < interfaces.Length; index++)
        {
            UsbClassCode code = interfaces[index];
            body.AddRange([9, 4, (byte)index, 0, 2, code.BaseClass, code.Subclass, code.Protocol, 0]);
            body.AddRange([7, 5, (byte)(0x81 + index), 2, 0, 2, 0]);
            body.AddRange([7, 5, (byte)(0x01 + index), 2, 0, 2, 0]);
        }

        int total = 9 + body.Count;
        return [9, 2, (byte)total, (byte)(total >> 8), (byte)interfaces.Length, 1, 0, 0x80, 50, .. body];
    }

    public static byte[] Languages() => [4, 3, 9, 4];

    public static byte[] Text(string text) => [(byte)(2 + (2 * text.Length)), 3, .. Encoding.Unicode.GetBytes(text)];
}
