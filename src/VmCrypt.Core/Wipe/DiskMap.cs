using VmCrypt.Core.Reports;
using VmCrypt.Core.Wipe.Engine;

namespace VmCrypt.Core.Wipe;

/// <summary>A target at a glance: one letter for each of up to <see cref="Cells"/> equal parts.</summary>
public static class DiskMap
{
    public const int Cells = 1000;

    /// <summary>All that is stored there was overwritten.</summary>
    public const char Erased = 'E';

    /// <summary>Some of it is listed as an exception.</summary>
    public const char Exception = 'X';

    /// <summary>Nothing is stored there.</summary>
    public const char Hole = '.';

    /// <summary>Not overwritten yet, or not any more.</summary>
    public const char Untouched = 'U';

    /// <summary>Draws the map.</summary>
    /// <param name="erasedTo">Position in the ranges up to which the last pass begun has come; earlier passes covered the rest unless <paramref name="firstPass"/>.</param>
    internal static string Draw(long length, RangeMap map, IEnumerable<ByteRange> exceptions, long erasedTo, bool firstPass)
    {
        int cells = (int)Math.Min(Cells, (length + 511) / 512);
        var drawn = new char[cells];
        Array.Fill(drawn, Hole);
        long position = 0;
        foreach (ByteRange range in map.Ranges)
        {
            long done = firstPass ? Math.Clamp(erasedTo - position, 0, range.Length) : range.Length;
            Paint(drawn, length, new ByteRange(range.Offset, done), Erased);
            Paint(drawn, length, new ByteRange(range.Offset + done, range.Length - done), Untouched);
            position += range.Length;
        }

        foreach (ByteRange range in exceptions)
        {
            Paint(drawn, length, range, Exception);
        }

        return new string(drawn);
    }

    private static void Paint(char[] cells, long length, ByteRange range, char letter)
    {
        (int first, int last) = CellMap.Of(length, cells.Length, range.Offset, range.Length);
        for (int cell = first; cell <= last; cell++)
        {
            cells[cell] = letter;
        }
    }
}
