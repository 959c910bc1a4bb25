using System.Runtime.InteropServices;
using VmCrypt.Core.Usb;

namespace VmCrypt.Interop.Tests.Usb;

/// <summary>The filter code of the real libusbredirparser.</summary>
internal static partial class LibUsbredir
{
    private const string Library = "libusbredirparser.so.1";

    [StructLayout(LayoutKind.Sequential)]
    public struct Rule
    {
        public int DeviceClass;
        public int Vendor;
        public int Product;
        public int Version;
        public int Allow;
    }

    public static void Require() => Assert.SkipUnless(NativeLibrary.TryLoad(Library, out _), $"{Library} is not installed");

    /// <summary>The rules, or null if the library refuses the text.</summary>
    public static Rule[]? Parse(string filter, string separator)
    {
        if (StringToRules(filter, separator, "|", out nint rules, out int count) != 0)
        {
            return null;
        }

        Rule[] parsed = new Rule[count];
        for (int index = 0; index < count; index++)
        {
            parsed[index] = Marshal.PtrToStructure<Rule>(rules + (index * Marshal.SizeOf<Rule>()));
        }

        Free(rules);
        return parsed;
    }

    public static bool Allows(Rule[] rules, UsbDeviceDescription device)
    {
        UsbClassCode own = device.DeviceClass!.Value;
        byte[] Codes(Func<UsbClassCode, byte> part) => [.. device.Interfaces!.Select(part)];
        return Check(
            rules, rules.Length, own.BaseClass, own.Subclass, own.Protocol,
            Codes(code => code.BaseClass), Codes(code => code.Subclass), Codes(code => code.Protocol), device.Interfaces!.Count,
            device.VendorId, device.ProductId, device.Version!.Value, 0) == 0;
    }

    [LibraryImport(Library, EntryPoint = "usbredirfilter_string_to_rules", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StringToRules(string filter, string tokenSeparators, string ruleSeparators, out nint rules, out int count);

    [LibraryImport(Library, EntryPoint = "usbredirfilter_free")]
    private static partial void Free(nint pointer);

    [LibraryImport(Library, EntryPoint = "usbredirfilter_check")]
    private static partial int Check(
        [In] Rule[] rules, int count, byte deviceClass, byte deviceSubclass, byte deviceProtocol,
        [In] byte[] classes, [In] byte[] subclasses, [In] byte[] protocols, int interfaces, ushort vendor, ushort product, ushort version, int flags);
}
