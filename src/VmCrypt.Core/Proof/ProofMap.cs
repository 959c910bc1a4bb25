using VmCrypt.Core.Reports;

namespace VmCrypt.Core.Proof;

/// <summary>A file at a glance: one letter for each of up to <see cref="Cells"/> equal parts, that of the worst thing in it.</summary>
public static class ProofMap
{
    public const int Cells = 1000;

    public const char Plain = 'P';

    public const char Weak = 'W';

    public const char Unchecked = '?';

    public const char Ciphertext = 'C';

    public const char Header = 'H';

    public const char Metadata = 'M';

    public const char Zero = '0';

    public const char Hole = '.';

    /// <summary>From the worst to the least.</summary>
    internal const string Order = "PW?CHM0.";

    internal sealed class Drawing(long length)
    {
        private readonly char[] _cells = [.. Enumerable.Repeat(Hole, (int)Math.Min(Cells, (length + 511) / 512))];

        public void Paint(long offset, long count, char letter)
        {
            (int first, int last) = CellMap.Of(length, _cells.Length, offset, count);
            for (int cell = first; cell <= last; cell++)
            {
                if (Order.IndexOf(letter, StringComparison.Ordinal) < Order.IndexOf(_cells[cell], StringComparison.Ordinal))
                {
                    _cells[cell] = letter;
                }
            }
        }

        public override string ToString() => new(_cells);
    }
}
