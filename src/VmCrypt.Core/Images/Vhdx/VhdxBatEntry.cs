namespace VmCrypt.Core.Images.Vhdx;

/// <summary>What an entry of the block allocation table says; a sector bitmap is absent or present in full.</summary>
internal enum VhdxBlockState
{
    NotPresent = 0,
    Undefined = 1,
    Zero = 2,
    Unmapped = 3,
    FullyPresent = 6,
    PartiallyPresent = 7,
}

/// <summary>An entry of the block allocation table: state in bits 0 to 2, the place in MiB in bits 20 to 63 ([MS-VHDX] 2.5.1).</summary>
internal readonly record struct VhdxBatEntry(ulong Value)
{
    private const ulong StateMask = 7;
    private const int OffsetShift = 20;

    public VhdxBatEntry(VhdxBlockState state, long offset)
        : this((ulong)state | ((ulong)offset >> OffsetShift << OffsetShift))
    {
    }

    public VhdxBlockState State => (VhdxBlockState)(Value & StateMask);

    /// <summary>Bytes.</summary>
    public ulong Offset => Value >> OffsetShift << OffsetShift;
}
