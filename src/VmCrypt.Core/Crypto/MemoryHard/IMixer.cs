namespace VmCrypt.Core.Crypto.MemoryHard;

/// <summary>The compression function G of Argon2 (RFC 9106, sections 3.5 and 3.6), in steps so that other work can go in between.</summary>
/// <remarks>A block is 8 rows of 16 words; a column is two words wide.</remarks>
internal unsafe interface IMixer
{
    /// <summary>The sum of two blocks with its rows permuted.</summary>
    static abstract void PermuteRows(ulong* previous, ulong* reference, ulong* work);

    /// <summary>The first half of the columns; afterwards the first word of the work is final.</summary>
    static abstract void PermuteFirstColumns(ulong* work);

    static abstract void PermuteLastColumns(ulong* work);

    /// <param name="add">Adds the result to what stands in the target, as version 0x13 does from the second pass on.</param>
    static abstract void Finish(ulong* previous, ulong* reference, ulong* work, ulong* target, bool add);
}
