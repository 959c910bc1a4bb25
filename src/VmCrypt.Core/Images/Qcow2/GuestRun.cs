namespace VmCrypt.Core.Images.Qcow2;

/// <summary>A run of guest bytes that one table page maps in one way.</summary>
/// <param name="Offset">Guest offset.</param>
/// <param name="Length">Bytes; of a compressed cluster at most up to its end.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Entry">The L2 entry of the first cluster.</param>
/// <param name="HostOffset">Where <paramref name="Offset"/> lies, for data and for zero or unallocated runs with a reserved place; else -1.</param>
internal readonly record struct GuestRun(long Offset, long Length, Qcow2MappingKind Kind, L2Entry Entry, long HostOffset)
{
    public bool HasPlace => HostOffset >= 0;

    /// <summary>May be written where it is, without a change of any table.</summary>
    public bool IsWritableInPlace => Kind == Qcow2MappingKind.Data && Entry.OwnsPlace;

    /// <summary>Has a place of its own that only needs to be filled and marked.</summary>
    public bool IsReserved => Kind is Qcow2MappingKind.Zero or Qcow2MappingKind.Unallocated && HasPlace && Entry.OwnsPlace;
}
