using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace VmCrypt.Commands.Host;

/// <summary>Sizes as people write and read them; every unit is a power of 1024, as in PowerShell and QEMU.</summary>
public static class ByteSize
{
    private const string Units = "KMGTPE";

    /// <summary>Reads <c>512</c>, <c>20GB</c>, <c>20G</c>, <c>1.5TiB</c>; the result is a whole number of bytes.</summary>
    public static bool TryParse(string text, out long bytes)
    {
        ReadOnlySpan<char> number = text.AsSpan().Trim();
        if (number.EndsWith("B", StringComparison.OrdinalIgnoreCase))
        {
            number = number[..^1];
            // The i of KiB means something only between its neighbours.
            if (number.EndsWith("i", StringComparison.OrdinalIgnoreCase) && number.Length > 1 && UnitOf(number[^2]) > 0)
            {
                number = number[..^1];
            }
        }

        int power = number.Length > 0 ? UnitOf(number[^1]) : 0;
        number = power > 0 ? number[..^1] : number;
        bytes = 0;
        if (!decimal.TryParse(number.TrimEnd(), NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out decimal value))
        {
            return false;
        }

        decimal scale = 1L << (10 * power);
        if (value > long.MaxValue / scale || value < long.MinValue / scale)
        {
            return false;
        }

        decimal scaled = value * scale;
        bytes = (long)scaled;
        return scaled == bytes;
    }

    /// <summary>Three significant digits and a unit: <c>20 GiB</c>, <c>1.52 MiB</c>, <c>512 B</c>.</summary>
    [return: NotNullIfNotNull(nameof(bytes))]
    public static string? Format(long? bytes)
    {
        if (bytes is not { } value)
        {
            return null;
        }

        double scaled = value;
        int power = 0;
        while (Math.Abs(scaled) >= 1024 && power < Units.Length)
        {
            scaled /= 1024;
            power++;
        }

        string digits = scaled.ToString(scaled switch { >= 100 => "0", >= 10 => "0.#", _ => "0.##" }, CultureInfo.InvariantCulture);
        return power == 0 ? $"{digits} B" : $"{digits} {Units[power - 1]}iB";
    }

    private static int UnitOf(char letter) => Units.IndexOf(char.ToUpperInvariant(letter), StringComparison.Ordinal) + 1;
}
