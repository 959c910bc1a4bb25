using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace VmCrypt.Core.Proof.Content;

/// <summary>Tells blocks that may be ciphertext from blocks that are not. Not for several threads at once.</summary>
internal sealed class BlockJudge
{
    /// <summary>Bytes that are judged as one.</summary>
    public const int BlockSize = ByteCounts.MaxBytes;

    // Encrypted disks are written, trimmed and left out by the sector.
    private const int Sector = 512;

    // Text has few other bytes; what a disk's blocks end with has none.
    private const double TextShare = 0.97;

    private readonly ByteCounts _counts = new();
    private readonly RepeatedBlocks _repeats = new();
    private readonly byte[] _stored = new byte[BlockSize];
    private readonly byte[] _distinct = new byte[BlockSize];

    /// <summary>The counts of the block that was judged last, without its sectors of zeros.</summary>
    public ByteCounts Counts => _counts;

    /// <summary>Judges at most <see cref="BlockSize"/> bytes.</summary>
    public BlockVerdict Judge(ReadOnlySpan<byte> block)
    {
        ReadOnlySpan<byte> stored = WithoutZeros(block);
        int zeros = block.Length - stored.Length;
        _counts.Clear();
        if (stored.IsEmpty)
        {
            return new BlockVerdict(zeros, null, null, 0);
        }

        _counts.Add(stored);
        long squares = _counts.SumOfSquares();
        double entropy = -Math.Log2(squares / ((double)stored.Length * stored.Length));
        if (!UniformityTest.Passes(squares, stored.Length))
        {
            (FindingKind flaw, string? name) = NameFlaw(block, stored);
            return new BlockVerdict(zeros, flaw, name, entropy);
        }

        if (Signatures.Proof(block) is { } signature)
        {
            return new BlockVerdict(zeros, FindingKind.Signature, signature.Name, entropy);
        }

        FindingKind? repeated = _repeats.Count(stored, []) > 0 ? FindingKind.RepeatedBlocks : null;
        return new BlockVerdict(zeros, repeated, null, entropy);
    }

    // Optimised from the first call on: a disk is over before the runtime would come back to it.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private ReadOnlySpan<byte> WithoutZeros(ReadOnlySpan<byte> block)
    {
        int kept = 0;
        bool moved = false;
        for (int at = 0; at < block.Length; at += Sector)
        {
            ReadOnlySpan<byte> sector = block[at..Math.Min(at + Sector, block.Length)];
            if (IsZero(sector))
            {
                if (!moved)
                {
                    block[..at].CopyTo(_stored);
                    moved = true;
                }

                continue;
            }

            if (moved)
            {
                sector.CopyTo(_stored.AsSpan(kept));
            }

            kept += sector.Length;
        }

        return moved ? _stored.AsSpan(0, kept) : block;
    }

    private static bool IsZero(ReadOnlySpan<byte> sector) =>
        (sector.Length < sizeof(ulong) || MemoryMarshal.Read<ulong>(sector) == 0) && !sector.ContainsAnyExcept((byte)0);

    private (FindingKind Flaw, string? Name) NameFlaw(ReadOnlySpan<byte> block, ReadOnlySpan<byte> stored)
    {
        if (Signatures.Name(block) is { } signature)
        {
            return (FindingKind.Signature, signature.Name);
        }

        if (IsText())
        {
            return (FindingKind.Text, null);
        }

        // Each cipher block once: where those are ciphertext, only their repetition is not.
        int distinct = stored.Length - (RepeatedBlocks.Size * _repeats.Count(stored, _distinct));
        _counts.Clear();
        _counts.Add(_distinct.AsSpan(0, distinct));
        bool repeats = distinct < stored.Length && UniformityTest.Passes(_counts.SumOfSquares(), distinct) && IsDiverse(distinct);
        return (repeats ? FindingKind.RepeatedBlocks : FindingKind.LowEntropy, null);
    }

    // A few bytes pass every test of uniformity; those of ciphertext have about as many values as chance gives them.
    private bool IsDiverse(int bytes)
    {
        double expected = ByteCounts.Values * (1 - Math.Pow(1 - (1.0 / ByteCounts.Values), bytes));
        return ByteCounts.Values - _counts.Totals.Count(0u) >= 0.85 * expected;
    }

    // By the counts of the block that is judged.
    private bool IsText()
    {
        ReadOnlySpan<uint> counts = _counts.Totals;
        uint text = counts['\t'] + counts['\n'] + counts['\r'];
        foreach (uint count in counts[' '..0x7F])
        {
            text += count;
        }

        return text > 0 && text >= (_counts.Bytes - counts[0]) * TextShare;
    }
}
