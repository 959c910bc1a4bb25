namespace VmCrypt.Core.Images.Qcow2;

/// <summary>An internal snapshot: a frozen L1 table.</summary>
/// <param name="DiskSize">Bytes of the disk when it was taken.</param>
/// <param name="VmStateBytes">Bytes of saved machine state; 0 if there is none.</param>
public sealed record Qcow2Snapshot(string Id, string Name, DateTimeOffset Taken, long DiskSize, long VmStateBytes)
{
    internal long L1Offset { get; init; }

    internal int L1Entries { get; init; }

    /// <summary>Bytes of the snapshot's entry in the table.</summary>
    internal int EntryBytes { get; init; }
}
