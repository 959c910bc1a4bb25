namespace VmCrypt.Core.Wipe.Patterns;

/// <summary>One to <see cref="Standards.WipePass.MaxPattern"/> bytes, repeated from offset 0 of the target on.</summary>
internal sealed class PatternContent : PassContent
{
    // A whole number of periods, long enough for vector compares and block copies.
    private const int BlockSize = 16 * 1024;

    private readonly byte[] _block;

    public PatternContent(ReadOnlySpan<byte> pattern)
    {
        Period = pattern.Length;
        // One period more than is compared at once, so that a slice can start at any phase.
        _block = new byte[((BlockSize / Period) + 1) * Period];
        for (int at = 0; at < _block.Length; at += Period)
        {
            pattern.CopyTo(_block.AsSpan(at));
        }
    }

    public override int Period { get; }

    public override void Fill(long offset, Span<byte> target)
    {
        if (Period == 1)
        {
            target.Fill(_block[0]);
            return;
        }

        while (!target.IsEmpty)
        {
            ReadOnlySpan<byte> block = BlockAt(offset, target.Length);
            block.CopyTo(target);
            target = target[block.Length..];
            offset += block.Length;
        }
    }

    public override int FirstDifference(long offset, ReadOnlySpan<byte> actual)
    {
        if (Period == 1)
        {
            return actual.IndexOfAnyExcept(_block[0]);
        }

        for (int at = 0; at < actual.Length;)
        {
            ReadOnlySpan<byte> block = BlockAt(offset + at, actual.Length - at);
            int same = block.CommonPrefixLength(actual[at..]);
            if (same < block.Length)
            {
                return at + same;
            }

            at += same;
        }

        return -1;
    }

    private ReadOnlySpan<byte> BlockAt(long offset, int limit)
    {
        ReadOnlySpan<byte> block = _block.AsSpan((int)(offset % Period));
        return block[..Math.Min(block.Length, limit)];
    }
}
