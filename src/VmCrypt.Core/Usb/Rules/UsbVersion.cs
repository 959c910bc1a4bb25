using System.Globalization;

namespace VmCrypt.Core.Usb.Rules;

/// <summary>bcdDevice and its ways of being written: 0x0256 is 2.56, not 598.</summary>
internal static class UsbVersion
{
    /// <summary><c>2.56</c>; digits beyond 9, which some devices have, stay hexadecimal.</summary>
    public static string Format(ushort bcd) => $"{bcd >> 8:x}.{bcd & 0xff:x2}";

    /// <summary>Every digit is one of 0 to 9, as BCD wants it.</summary>
    public static bool IsDecimal(ushort bcd) => Format(bcd).All(digit => digit is '.' or (>= '0' and <= '9'));

    /// <summary>Reads <c>2.56</c> or <c>0x0256</c>.</summary>
    public static bool TryParse(string text, out ushort bcd)
    {
        bcd = 0;
        if (text.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
        {
            return text.Length <= 6 && ushort.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out bcd);
        }

        string[] parts = text.Split('.');
        if (parts is not [{ Length: 1 or 2 }, { Length: 2 }]
            || !byte.TryParse(parts[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte major)
            || !byte.TryParse(parts[1], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte minor))
        {
            return false;
        }

        bcd = (ushort)((major << 8) | minor);
        return true;
    }
}
