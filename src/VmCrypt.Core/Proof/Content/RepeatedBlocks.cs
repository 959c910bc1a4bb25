using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace VmCrypt.Core.Proof.Content;

/// <summary>Finds cipher blocks of 16 bytes that occur twice in a block of the disk, as ECB leaves them. In ciphertext of a sound mode that happens once in 2^113 blocks.</summary>
internal sealed class RepeatedBlocks
{
    public const int Size = 16;

    private const int SlotBits = 12;
    private const int SlotMask = (1 << SlotBits) - 1;

    // Where a cipher block was seen, under the number of the round: what other rounds left counts as empty.
    private readonly uint[] _slots = new uint[1 << SlotBits];
    private uint _round;

    /// <summary>How many cipher blocks have an equal one before them.</summary>
    /// <param name="distinct">Empty, or where one of each kind is put, end to end; the rest stays as it is.</param>
    public int Count(ReadOnlySpan<byte> block, Span<byte> distinct)
    {
        NextRound();
        int repeats = 0;
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(block);
        for (int i = 0; i + 1 < words.Length; i += 2)
        {
            if (IsRepeated(words, i))
            {
                repeats++;
            }
            else if (!distinct.IsEmpty)
            {
                block.Slice(i * sizeof(ulong), Size).CopyTo(distinct[(((i / 2) - repeats) * Size)..]);
            }
        }

        return repeats;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool IsRepeated(ReadOnlySpan<ulong> words, int at)
    {
        uint[] slots = _slots;
        uint here = _round | (uint)at;
        for (int slot = (int)((words[at] * 0x9E3779B97F4A7C15) >> (64 - SlotBits)); ; slot = (slot + 1) & SlotMask)
        {
            uint seen = slots[slot & SlotMask];
            if ((seen & ~0xFFFFu) != _round)
            {
                slots[slot & SlotMask] = here;
                return false;
            }

            int first = (int)(seen & 0xFFFF);
            if (words[first] == words[at] && words[first + 1] == words[at + 1])
            {
                return true;
            }
        }
    }

    private void NextRound()
    {
        _round += 0x10000;
        if (_round == 0)
        {
            Array.Clear(_slots);
            _round = 0x10000;
        }
    }
}
