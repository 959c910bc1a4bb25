using System.Globalization;

namespace VmCrypt.Core.Usb.Languages;

/// <summary>Numbers as C's strtol reads them with base 0: 0x is hexadecimal, a leading 0 is octal.</summary>
internal static class CNumber
{
    /// <summary>False for what strtol would stop in, and for what does not fit an int.</summary>
    public static bool TryParse(string text, out int value)
    {
        ReadOnlySpan<char> rest = text.AsSpan().TrimStart(" \t\n\v\f\r");
        bool negative = rest is ['-', ..];
        rest = rest is ['-' or '+', ..] ? rest[1..] : rest;
        int radix = rest is ['0', 'x' or 'X', _, ..] ? 16 : rest is ['0', _, ..] ? 8 : 10;
        rest = radix == 16 ? rest[2..] : rest;

        long sum = 0;
        value = 0;
        foreach (char digit in rest)
        {
            int worth = char.IsAsciiHexDigit(digit) ? int.Parse([digit], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) : radix;
            sum = (sum * radix) + worth;
            if (worth >= radix || sum > int.MaxValue)
            {
                return false;
            }
        }

        value = (int)(negative ? -sum : sum);
        return rest.Length > 0;
    }
}
