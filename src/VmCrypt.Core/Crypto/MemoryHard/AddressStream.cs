namespace VmCrypt.Core.Crypto.MemoryHard;

/// <summary>The references of a segment of Argon2i, and of the first half of Argon2id's first pass: a counter compressed twice.</summary>
internal unsafe struct AddressStream<TMixer>
    where TMixer : IMixer
{
    private const int Counter = 6;

    private fixed ulong _input[BlockMemory.BlockWords];
    private fixed ulong _numbers[BlockMemory.BlockWords];

    public AddressStream(SegmentPosition position, Argon2Variant variant, Argon2Cost cost, long blocks)
    {
        IsDataIndependent = variant == Argon2Variant.I || position is { Pass: 0, Slice: < 2 };
        _input[0] = (ulong)position.Pass;
        _input[1] = (ulong)position.Lane;
        _input[2] = (ulong)position.Slice;
        _input[3] = (ulong)blocks;
        _input[4] = (ulong)cost.Passes;
        _input[5] = (ulong)variant;
    }

    public bool IsDataIndependent { get; }

    /// <summary>The number for the block <paramref name="index"/> of the segment; asked in ascending order without gaps.</summary>
    public ulong Take(int index)
    {
        int word = index % BlockMemory.BlockWords;
        if (word == 0 || _input[Counter] == 0)
        {
            Refill();
        }

        return _numbers[word];
    }

    private void Refill()
    {
        _input[Counter]++;
        ulong* zeros = stackalloc ulong[BlockMemory.BlockWords];
        ulong* work = stackalloc ulong[BlockMemory.BlockWords];
        new Span<ulong>(zeros, BlockMemory.BlockWords).Clear();
        fixed (ulong* input = _input, numbers = _numbers)
        {
            Compress(zeros, input, work, numbers);
            Compress(zeros, numbers, work, numbers);
        }
    }

    private static void Compress(ulong* previous, ulong* reference, ulong* work, ulong* target)
    {
        TMixer.PermuteRows(previous, reference, work);
        TMixer.PermuteFirstColumns(work);
        TMixer.PermuteLastColumns(work);
        TMixer.Finish(previous, reference, work, target, add: false);
    }
}
