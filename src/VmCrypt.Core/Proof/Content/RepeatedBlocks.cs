using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace VmCrypt.Core.Proof.Content;

/// <summary>Finds cipher blocks of 16 bytes that occur twice in a block of the disk, as ECB leaves them. In ciphertext of a sound mode that happens once in 2^113 blocks.</summary>
internal sealed class RepeatedBlocks
{
    public const int Size = 16;

    private const int SlotBits = 12;
    private const int SlotMask = (1 << SlotBits) - 1;

    // A place in a slot counts cipher blocks; above it stands the round.
    private const uint PlaceMask = 0xFFFF;

    // Where a cipher block was seen, under the number of the round: what other rounds left counts as empty.
    private readonly uint[] _slots = new uint[1 << SlotBits];
    private uint _round;

    /// <summary>How many cipher blocks have an equal one before them.</summary>
    /// <param name="distinct">Empty, or where one of each kind is put, end to end; the rest stays as it is.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public int Count(ReadOnlySpan<byte> block, Span<byte> distinct)
    {
        NextRound();
        int repeats = 0;
        ref uint slots = ref MemoryMarshal.GetArrayDataReference(_slots);
        ReadOnlySpan<Vector128<ulong>> blocks = MemoryMarshal.Cast<byte, Vector128<ulong>>(block);
        for (int i = 0; i < blocks.Length; i++)
        {
            int slot = (int)((blocks[i].ToScalar() * 0x9E3779B97F4A7C15) >> (64 - SlotBits));
            uint seen = Unsafe.Add(ref slots, slot);
            while ((seen & ~PlaceMask) == _round && blocks[(int)(seen & PlaceMask)] != blocks[i])
            {
                slot = (slot + 1) & SlotMask;
                seen = Unsafe.Add(ref slots, slot);
            }

            if ((seen & ~PlaceMask) == _round)
            {
                repeats++;
                continue;
            }

            Unsafe.Add(ref slots, slot) = _round | (uint)i;
            if (!distinct.IsEmpty)
            {
                block.Slice(i * Size, Size).CopyTo(distinct[((i - repeats) * Size)..]);
            }
        }

        return repeats;
    }

    private void NextRound()
    {
        _round += PlaceMask + 1;
        if (_round == 0)
        {
            Array.Clear(_slots);
            _round = PlaceMask + 1;
        }
    }
}
