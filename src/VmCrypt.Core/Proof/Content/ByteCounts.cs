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

    private readonly uint[] _tables = GC.AllocateArray<uint>(Tables * Values, pinned: true);
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
        fixed (uint* counts = _tables)
        fixed (byte* start = bytes)
        {
            byte* end = start + bytes.Length;
            byte* rest = CountInEights(counts, start, end);
            for (; rest < end; rest++)
            {
                counts[*rest]++;
            }
        }
    }

    /// <summary>Joins the tables, and sums the squares of the counts.</summary>
    public long SumOfSquares()
    {
        fixed (uint* tables = _tables)
        fixed (uint* totals = _totals)
        {
            Vector256<uint> sum = Vector256<uint>.Zero;
            for (int value = 0; value < Values; value += Vector256<uint>.Count)
            {
                Vector256<uint> joined = Vector256.Load(tables + value) + Vector256.Load(tables + Values + value)
                    + Vector256.Load(tables + (2 * Values) + value) + Vector256.Load(tables + (3 * Values) + value);
                joined.Store(totals + value);
                sum += joined * joined;
            }

            // All squares together are at most 4096², which 32 bits hold.
            return Vector256.Sum(sum);
        }
    }

    /// <summary>Adds the counts to sums over many blocks; after <see cref="SumOfSquares"/>.</summary>
    public void AddTo(Span<uint> sums)
    {
        for (int value = 0; value < Values; value += Vector256<uint>.Count)
        {
            Span<uint> part = sums[value..];
            (Vector256.Create<uint>(part) + Vector256.Create<uint>(_totals.AsSpan(value))).CopyTo(part);
        }
    }

    // Optimised from the first call on: a disk is over before the runtime would come back to it.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static byte* CountInEights(uint* first, byte* at, byte* end)
    {
        uint* second = first + Values;
        uint* third = second + Values;
        uint* fourth = third + Values;
        for (; end - at >= 2 * sizeof(uint); at += 2 * sizeof(uint))
        {
            uint low = Unsafe.ReadUnaligned<uint>(at);
            uint high = Unsafe.ReadUnaligned<uint>(at + sizeof(uint));
            first[(byte)low]++;
            second[(byte)(low >> 8)]++;
            third[(byte)(low >> 16)]++;
            fourth[low >> 24]++;
            first[(byte)high]++;
            second[(byte)(high >> 8)]++;
            third[(byte)(high >> 16)]++;
            fourth[high >> 24]++;
        }

        return at;
    }
}
