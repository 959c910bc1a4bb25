using System.Text;

namespace VmCrypt.Fuzz.Engine;

/// <summary>Makes new inputs of old ones; the same ones for the same seed.</summary>
internal sealed class Mutator(IFuzzTarget target, Random random)
{
    // Headers stand at the start: half of the changes go there, however long the input is. Of the rest most go where something is.
    private const int HotZone = 1024;
    private const int TriesForContent = 6;

    private const int MaxBlock = 4096;

    /// <param name="parent">Not changed.</param>
    /// <param name="other">Another good input, to take parts from.</param>
    public byte[] Mutate(byte[] parent, byte[] other)
    {
        List<byte> bytes = [.. parent];
        for (int left = 1 << random.Next(5); left > 0; left--)
        {
            ChangeOnce(bytes, other);
        }

        if (bytes.Count > target.MaxLength)
        {
            bytes.RemoveRange(target.MaxLength, bytes.Count - target.MaxLength);
        }

        return [.. bytes];
    }

    private void ChangeOnce(List<byte> bytes, byte[] other)
    {
        if (bytes.Count == 0)
        {
            bytes.AddRange(other.Length > 0 ? other : [0]);
            return;
        }

        switch (random.Next(15))
        {
            case 0:
                bytes[Position(bytes)] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                bytes[Position(bytes)] = (byte)random.Next(256);
                break;
            case 2 or 3:
                ChangeNumber(bytes, old => old + (ulong)random.Next(-35, 36));
                break;
            case 4 or 5 or 6:
                ChangeNumber(bytes, _ => InterestingNumbers.Pick(random, bytes.Count));
                break;
            case 7:
                ChangeNumberInText(bytes);
                break;
            case 8 or 9:
                PutWord(bytes);
                break;
            case 10:
                bytes.InsertRange(Position(bytes), Block(bytes));
                break;
            case 11:
                Overwrite(bytes, Block(bytes));
                break;
            case 12:
                Erase(bytes);
                break;
            default:
                Splice(bytes, other);
                break;
        }
    }

    private int Position(List<byte> bytes)
    {
        int position = random.Next(random.Next(2) == 0 ? Math.Min(bytes.Count, HotZone) : bytes.Count);
        for (int tries = 0; tries < TriesForContent && bytes[position] == 0; tries++)
        {
            position = random.Next(bytes.Count);
        }

        return position;
    }

    private void ChangeNumber(List<byte> bytes, Func<ulong, ulong> change)
    {
        Field field = target.Fields.Count > 0 && random.Next(2) == 0
            ? target.Fields[random.Next(target.Fields.Count)]
            : new Field(Position(bytes), InterestingNumbers.Width(random));
        if (field.Offset + field.Width <= bytes.Count)
        {
            bool bigEndian = random.Next(4) > 0;
            Span<byte> place = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(bytes).Slice(field.Offset, field.Width);
            InterestingNumbers.Write(place, change(InterestingNumbers.Read(place, bigEndian)), bigEndian);
        }
    }

    /// <summary>Replaces a run of digits by another number, written as the likes of it are.</summary>
    private void ChangeNumberInText(List<byte> bytes)
    {
        int start = bytes.FindIndex(Position(bytes), value => char.IsAsciiDigit((char)value));
        if (start >= 0)
        {
            int end = bytes.FindIndex(start, value => !char.IsAsciiDigit((char)value));
            ulong number = InterestingNumbers.Pick(random, bytes.Count);
            string text = random.Next(4) switch { 0 => $"{number:x}", 1 => $"-{number}", _ => $"{number}" };
            bytes.RemoveRange(start, (end < 0 ? bytes.Count : end) - start);
            bytes.InsertRange(start, Encoding.ASCII.GetBytes(text));
        }
    }

    private void PutWord(List<byte> bytes)
    {
        if (target.Words.Count > 0)
        {
            byte[] word = target.Words[random.Next(target.Words.Count)];
            if (random.Next(2) == 0)
            {
                bytes.InsertRange(Position(bytes), word);
            }
            else
            {
                Overwrite(bytes, word);
            }
        }
    }

    /// <summary>A piece of the input itself, or of one value, of any length from 1 up.</summary>
    private byte[] Block(List<byte> bytes)
    {
        int length = 1 + random.Next(Math.Min(MaxBlock, 1 << random.Next(13)));
        if (random.Next(3) == 0)
        {
            return [.. Enumerable.Repeat((byte)(random.Next(2) == 0 ? 0 : random.Next(256)), length)];
        }

        int from = Position(bytes);
        return [.. bytes.GetRange(from, Math.Min(length, bytes.Count - from))];
    }

    private void Overwrite(List<byte> bytes, byte[] block)
    {
        int at = Position(bytes);
        for (int i = 0; i < block.Length && at + i < bytes.Count; i++)
        {
            bytes[at + i] = block[i];
        }
    }

    private void Erase(List<byte> bytes)
    {
        int from = Position(bytes);
        int most = random.Next(4) == 0 ? bytes.Count : Math.Min(MaxBlock, 1 << random.Next(10));
        bytes.RemoveRange(from, Math.Min(1 + random.Next(most), bytes.Count - from));
    }

    private void Splice(List<byte> bytes, byte[] other)
    {
        if (other.Length == 0)
        {
            return;
        }

        int from = random.Next(other.Length);
        int length = Math.Min(1 + random.Next(MaxBlock), other.Length - from);
        switch (random.Next(3))
        {
            case 0:
                bytes.RemoveRange(Math.Min(from, bytes.Count), bytes.Count - Math.Min(from, bytes.Count));
                bytes.AddRange(other[from..]);
                break;
            case 1:
                bytes.InsertRange(Position(bytes), other[from..(from + length)]);
                break;
            default:
                Overwrite(bytes, other[from..(from + length)]);
                break;
        }
    }
}
