using System.Buffers.Binary;

namespace VmCrypt.Fuzz.Engine;

/// <summary>Numbers at which parsers go wrong: borders of widths and signs, powers of two and their neighbours, lengths of the input itself.</summary>
internal static class InterestingNumbers
{
    private static readonly int[] s_widths = [1, 2, 4, 8];

    public static int Width(Random random) => s_widths[random.Next(s_widths.Length)];

    /// <param name="length">Of the input: offsets and sizes near it pass or just fail the check against the end.</param>
    public static ulong Pick(Random random, int length) => random.Next(8) switch
    {
        0 => (ulong)random.Next(17),
        1 => 0UL - (ulong)random.Next(17),
        2 or 3 => (1UL << random.Next(64)) + (ulong)random.Next(-1, 2),
        4 => (ulong)(length + random.Next(-16, 17)),
        5 => (ulong)random.Next(length + 1),
        // Sectors and clusters.
        6 => (ulong)(random.Next(length + 1) & -(1 << random.Next(9, 17))),
        _ => (ulong)random.NextInt64(),
    };

    public static void Write(Span<byte> target, ulong value, bool bigEndian)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        if (bigEndian)
        {
            BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
            bytes[^target.Length..].CopyTo(target);
        }
        else
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
            bytes[..target.Length].CopyTo(target);
        }
    }

    public static ulong Read(ReadOnlySpan<byte> source, bool bigEndian)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        bytes.Clear();
        if (bigEndian)
        {
            source.CopyTo(bytes[^source.Length..]);
            return BinaryPrimitives.ReadUInt64BigEndian(bytes);
        }

        source.CopyTo(bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }
}
