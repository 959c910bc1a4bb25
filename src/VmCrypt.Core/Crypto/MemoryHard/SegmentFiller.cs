using System.Runtime.Intrinsics.X86;

namespace VmCrypt.Core.Crypto.MemoryHard;

/// <summary>Where a segment lies: each lane fills one of its four slices, then waits for the others.</summary>
internal readonly record struct SegmentPosition(int Pass, int Slice, int Lane);

/// <summary>Fills segments, block by block (RFC 9106, section 3.4).</summary>
internal sealed unsafe class SegmentFiller<TMixer>(BlockMemory memory, Argon2Variant variant, Argon2Version version, Argon2Cost cost, int laneLength)
    where TMixer : IMixer
{
    private const int Slices = 4;
    private const int CacheLine = 64;

    // Between looks at the token lies a millisecond of work or less.
    private const int BlocksBetweenLooks = 1024;

    private readonly int _segmentLength = laneLength / Slices;

    public void Fill(SegmentPosition position, CancellationToken cancellationToken)
    {
        ulong* work = stackalloc ulong[BlockMemory.BlockWords];
        try
        {
            Fill(position, work, cancellationToken);
        }
        finally
        {
            new Span<ulong>(work, BlockMemory.BlockWords).Clear();
        }
    }

    private void Fill(SegmentPosition position, ulong* work, CancellationToken cancellationToken)
    {
        AddressStream<TMixer> addresses = new(position, variant, cost, (long)laneLength * cost.Lanes);
        bool add = version == Argon2Version.V13 && position.Pass > 0;
        int index = position is { Pass: 0, Slice: 0 } ? 2 : 0;
        int column = (position.Slice * _segmentLength) + index;
        long lane = (long)position.Lane * laneLength;
        ulong* previous = memory[lane + (column == 0 ? laneLength : column) - 1];
        ulong* reference = memory[ReferenceOf(position, index, addresses.IsDataIndependent ? addresses.Take(index) : *previous)];
        while (index < _segmentLength)
        {
            if (index % BlocksBetweenLooks == 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
            }

            ulong* target = memory[lane + column++];
            TMixer.PermuteRows(previous, reference, work);
            TMixer.PermuteFirstColumns(work);

            // The next reference follows from the first word of this block, so memory can bring it while the rest is computed.
            ulong first = *work ^ *previous ^ *reference ^ (add ? *target : 0);
            ulong* next = ++index == _segmentLength
                ? target
                : memory[ReferenceOf(position, index, addresses.IsDataIndependent ? addresses.Take(index) : first)];
            Prefetch(next);
            TMixer.PermuteLastColumns(work);
            TMixer.Finish(previous, reference, work, target, add);
            previous = target;
            reference = next;
        }
    }

    private long ReferenceOf(SegmentPosition position, int index, ulong random)
    {
        int lane = position is { Pass: 0, Slice: 0 } ? position.Lane : (int)((random >> 32) % (uint)cost.Lanes);

        // What may be referred to: the finished segments, and of the own lane also this one but for the block just before.
        int finished = position.Pass == 0 ? position.Slice * _segmentLength : laneLength - _segmentLength;
        int area = lane == position.Lane ? finished + index - 1 : finished - (index == 0 ? 1 : 0);

        // Nearer blocks are likelier: one minus the square of a number between 0 and 1.
        ulong square = ((ulong)(uint)random * (uint)random) >> 32;
        long place = area - 1 - (long)(((ulong)area * square) >> 32);
        long start = position.Pass == 0 || position.Slice == Slices - 1 ? 0 : (position.Slice + 1) * _segmentLength;
        return ((long)lane * laneLength) + ((start + place) % laneLength);
    }

    private static void Prefetch(ulong* block)
    {
        if (Sse.IsSupported)
        {
            for (int at = 0; at < BlockMemory.BlockSize; at += CacheLine)
            {
                Sse.Prefetch0((byte*)block + at);
            }
        }
    }
}
