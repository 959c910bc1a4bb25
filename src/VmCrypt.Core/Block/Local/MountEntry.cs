using System.Globalization;

namespace VmCrypt.Core.Block.Local;

/// <summary>A line of /proc/self/mountinfo.</summary>
internal sealed record MountEntry(ulong Id, (uint Major, uint Minor) Device, string Place, string Type, string Source, IReadOnlyList<string> Options)
{
    private const string Table = "/proc/self/mountinfo";

    public static IReadOnlyList<MountEntry> All() =>
        File.Exists(Table) ? [.. File.ReadLines(Table).Select(Parse).OfType<MountEntry>()] : [];

    /// <summary>Reads a line; null where it is none.</summary>
    public static MountEntry? Parse(string line)
    {
        // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
        string[] fields = line.Split(' ');
        int separator = Array.IndexOf(fields, "-");
        if (separator < 6 || separator + 3 >= fields.Length || !ulong.TryParse(fields[0], NumberStyles.None, null, out ulong id)
            || ParseDevice(fields[2]) is not { } device)
        {
            return null;
        }

        return new MountEntry(
            id, device, Unescape(fields[4]), fields[separator + 1], Unescape(fields[separator + 2]),
            [.. fields[5].Split(','), .. fields[separator + 3].Split(',')]);
    }

    public static (uint Major, uint Minor)? ParseDevice(string numbers)
    {
        int colon = numbers.IndexOf(':', StringComparison.Ordinal);
        return colon > 0
            && uint.TryParse(numbers.AsSpan(0, colon), NumberStyles.None, null, out uint major)
            && uint.TryParse(numbers.AsSpan(colon + 1), NumberStyles.None, null, out uint minor)
            ? (major, minor)
            : null;
    }

    // The kernel writes blanks and backslashes of paths in octal.
    public static string Unescape(string text) => text
        .Replace(@"\040", " ", StringComparison.Ordinal)
        .Replace(@"\011", "\t", StringComparison.Ordinal)
        .Replace(@"\012", "\n", StringComparison.Ordinal)
        .Replace(@"\134", @"\", StringComparison.Ordinal);
}
