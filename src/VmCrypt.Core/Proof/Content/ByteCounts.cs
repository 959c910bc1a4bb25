using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace VmCrypt.Core.Proof.Content;

/// <summary>How often each byte value occurs in a block.</summary>
/// <remarks>Counted in several tables, because an increment waits for the one before it where both are of the same value.</remarks>
internal sealed unsafe class ByteCounts
{
    public const int Values = 256;

    /// <summary>More bytes could overflow a count.</summary>
    public const int MaxBytes = 4096;

    private const int Tables = 4;

    private readonly ushort[] _tables = GC.AllocateArray<ushort>(Tables * Values, pinned: true);
    private readonly uint[] _totals = GC.AllocateArray<uint>(Values, pinned: true);

    public int Bytes { get; private set; }

    /// <summary>The counts; valid after <see cref="SumOfSquares"/>.</summary>
    public ReadOnlySpan<uint> Totals => _totals;

    public void Clear()
    {
        Array.Clear(_tables);
        Bytes = 0;
    }

    /// <summary>Counts some more; all in all at most <see cref="MaxBytes"/>.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        Bytes += bytes.Length;
        fixed (ushort* counts = _tables)
        fixed (byte* start = bytes)
        {
            byte* at = start;
            byte* end = start + bytes.Length;
            for (byte* last = end - 16; at <= last; at += 16)
            {
                Count8(counts, Unsafe.ReadUnaligned<ulong>(at));
                Count8(counts, Unsafe.ReadUnaligned<ulong>(at + 8));
            }

            for (; at < end; at++)
            {
                counts[*at]++;
            }
        }
    }

    /// <summary>Joins the tables, and sums the squares of the counts.</summary>
    public long SumOfSquares()
    {
        fixed (ushort* tables = _tables)
        fixed (uint* totals = _totals)
        {
            Vector256<uint> sum = Vector256<uint>.Zero;
            for (int value = 0; value < Values; value += Vector256<ushort>.Count)
            {
                Vector256<ushort> joined = Vector256.Load(tables + value) + Vector256.Load(tables + Values + value)
                    + Vector256.Load(tables + (2 * Values) + value) + Vector256.Load(tables + (3 * Values) + value);
                (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(joined);
                low.Store(totals + value);
                high.Store(totals + value + Vector256<uint>.Count);
                sum += (low * low) + (high * high);
            }

            // All squares together are at most 4096², which 32 bits hold.
            return Vector256.Sum(sum);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Count8(ushort* counts, ulong bytes)
    {
        counts[(byte)bytes]++;
        counts[Values + (int)(byte)(bytes >> 8)]++;
        counts[(2 * Values) + (int)(byte)(bytes >> 16)]++;
        counts[(3 * Values) + (int)(byte)(bytes >> 24)]++;
        counts[(byte)(bytes >> 32)]++;
        counts[Values + (int)(byte)(bytes >> 40)]++;
        counts[(2 * Values) + (int)(byte)(bytes >> 48)]++;
        counts[(3 * Values) + (int)(bytes >> 56)]++;
    }
}
