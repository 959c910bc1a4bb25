using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Reads the list of internal snapshots and the L1 table of one.</summary>
internal static class Qcow2SnapshotTable
{
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2SnapshotTableInvalid"/>.</exception>
    public static async ValueTask<IReadOnlyList<Qcow2Snapshot>> ReadAsync(
        IBlockDevice file, Qcow2Header header, Qcow2Geometry geometry, CancellationToken cancellationToken)
    {
        var snapshots = new List<Qcow2Snapshot>();
        var window = new TableWindow(file, (long)header.SnapshotTableOffset, ErrorIds.Qcow2SnapshotTableInvalid);
        for (uint i = 0; i < header.SnapshotCount; i++)
        {
            Qcow2SnapshotEntry entry = Qcow2SnapshotEntry.ParseFixed(
                await window.PeekAsync(Qcow2SnapshotEntry.FixedSize, cancellationToken));
            if (entry.ExtraBytes > Qcow2Limits.MaxSnapshotExtraBytes)
            {
                throw Invalid($"Snapshot {i} has {entry.ExtraBytes} bytes of extra data; at most {Qcow2Limits.MaxSnapshotExtraBytes} are allowed.");
            }

            entry = entry.WithVariable(await window.PeekAsync(entry.UnpaddedSize, cancellationToken));
            window.Advance(entry.Size);
            if (window.Consumed > Qcow2Limits.MaxSnapshotTableBytes)
            {
                throw Invalid($"The snapshot table has more than {Qcow2Limits.MaxSnapshotTableBytes} bytes.");
            }

            snapshots.Add(Check(entry, header, geometry, file.Length));
        }

        return snapshots;
    }

    private static Qcow2Snapshot Check(in Qcow2SnapshotEntry entry, in Qcow2Header header, Qcow2Geometry geometry, long fileLength)
    {
        if (header.Version >= 3 && entry.DiskSize is null)
        {
            throw Invalid($"Snapshot '{entry.Name}' has {entry.ExtraBytes} bytes of extra data; version 3 needs at least 16, with the size of the disk.");
        }

        // Images older than the field cannot have been resized since, unless by a tool that did not care.
        ulong diskSize = entry.DiskSize ?? Math.Min(header.VirtualSize, (ulong)(entry.L1Entries * geometry.L2Coverage));
        if (entry.L1Entries > Qcow2Limits.MaxL1TableBytes / sizeof(ulong))
        {
            throw Invalid($"The L1 table of snapshot '{entry.Name}' has {entry.L1Entries} entries; " +
                $"at most {Qcow2Limits.MaxL1TableBytes / sizeof(ulong)} are allowed.");
        }

        if (diskSize > long.MaxValue || entry.VmStateBytes > long.MaxValue || geometry.L1EntriesFor((long)diskSize) > entry.L1Entries)
        {
            throw Invalid($"The L1 table of snapshot '{entry.Name}' has {entry.L1Entries} entries; a disk of {diskSize} bytes needs more.");
        }

        long bytes = entry.L1Entries * (long)sizeof(ulong);
        if (bytes > 0 && (!geometry.IsClusterAligned(entry.L1Offset) || entry.L1Offset < (ulong)geometry.ClusterSize
            || entry.L1Offset > (ulong)fileLength || bytes > fileLength - (long)entry.L1Offset))
        {
            throw Invalid($"The L1 table of snapshot '{entry.Name}' at offset {entry.L1Offset} is misaligned or not in the file.");
        }

        DateTimeOffset taken = DateTimeOffset.FromUnixTimeSeconds(entry.Seconds).AddTicks(entry.Nanoseconds / 100);
        return new Qcow2Snapshot(entry.Id, entry.Name, taken, (long)diskSize, (long)entry.VmStateBytes)
        {
            L1Offset = (long)entry.L1Offset,
            L1Entries = (int)entry.L1Entries,
            EntryBytes = entry.Size,
        };
    }

    private static InvalidImageException Invalid(string message) => new(ErrorIds.Qcow2SnapshotTableInvalid, message);
}
