using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Goes through every table of an image and counts what refers to which cluster of the file. Trusts no table, changes nothing.</summary>
/// <param name="found">Told about each reference that breaks the rules; such references are not followed.</param>
internal sealed class ReferenceWalk(IBlockDevice file, Qcow2Metadata metadata, Action<string> found)
{
    private readonly Qcow2Geometry _geometry = metadata.Geometry;
    private readonly bool _hasExternalData = metadata.Header.Incompatible.HasFlag(Qcow2Incompatible.ExternalDataFile);

    public ReferenceCounts Counts { get; } = new();

    /// <summary>Told of every area that is referred to, and what for; one in an external data file, too, which is not counted.</summary>
    public Action<HostArea> Referred { get; init; } = _ => { };

    /// <summary>Guest clusters of the active disk that have a place.</summary>
    public long AllocatedClusters { get; private set; }

    /// <param name="activeEntry">Shown every entry of the active tables that has a place: where it lies in the file, the entry, its kind.</param>
    public async ValueTask RunAsync(Func<MappedCluster, ValueTask> activeEntry, CancellationToken cancellationToken)
    {
        Qcow2Header header = metadata.Header;
        CountArea("header", new HostArea(0, _geometry.ClusterSize, HostUse.Metadata));
        CountTable("refcount table", (long)header.RefcountTableOffset, (long)header.RefcountTableClusters << _geometry.ClusterBits);
        if (metadata.Extensions.EncryptionHeader is { } encryption)
        {
            CountArea("encryption header", new HostArea(encryption.Offset, encryption.Length, HostUse.EncryptionHeader));
        }

        await CountRefcountBlocksAsync(cancellationToken);
        await CountMappingAsync("active L1 table", (long)header.L1Offset, (int)header.L1Entries, HostUse.Data, activeEntry, cancellationToken);
        CountTable("snapshot table", (long)header.SnapshotTableOffset, metadata.Snapshots.Sum(snapshot => (long)snapshot.EntryBytes));
        foreach (Qcow2Snapshot snapshot in metadata.Snapshots)
        {
            await CountMappingAsync($"L1 table of snapshot '{snapshot.Name}'", snapshot.L1Offset, snapshot.L1Entries, HostUse.Snapshot,
                _ => ValueTask.CompletedTask, cancellationToken);
        }

        await CountBitmapsAsync(cancellationToken);
    }

    /// <summary>A place in the active tables: an L1 entry (of an L2 table) or an L2 entry (of a standard cluster).</summary>
    internal readonly record struct MappedCluster(long EntryOffset, ulong Value, bool IsL2Table);

    private async ValueTask CountRefcountBlocksAsync(CancellationToken cancellationToken)
    {
        int entries = (int)metadata.Header.RefcountTableClusters * (_geometry.ClusterSize / sizeof(ulong));
        PointerTable table = await PointerTable.ReadAsync(file, (long)metadata.Header.RefcountTableOffset, entries, cancellationToken);
        for (int i = 0; i < entries; i++)
        {
            if (IsPlace($"refcount table entry {i}", table[i], Refcounts.BlockOffsetMask, flags: 0, out long block))
            {
                Count(block);
            }
        }
    }

    private async ValueTask CountMappingAsync(
        string name, long l1Offset, int l1Entries, HostUse use, Func<MappedCluster, ValueTask> entryFound, CancellationToken cancellationToken)
    {
        CountTable(name, l1Offset, (long)l1Entries * sizeof(ulong));
        PointerTable l1 = await PointerTable.ReadAsync(file, l1Offset, l1Entries, cancellationToken);
        for (int i = 0; i < l1Entries; i++)
        {
            if (IsPlace($"entry {i} of the {name}", l1[i], L2Entry.OffsetMask, L2Entry.CopiedFlag, out long table))
            {
                Count(table);
                await entryFound(new MappedCluster(l1Offset + ((long)i * sizeof(ulong)), l1[i], IsL2Table: true));
                await CountL2Async(table, i * _geometry.L2Coverage, use, entryFound, cancellationToken);
            }
        }
    }

    private async ValueTask CountL2Async(
        long table, long guest, HostUse use, Func<MappedCluster, ValueTask> entryFound, CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[_geometry.ClusterSize];
        await file.ReadAsync(table, bytes, cancellationToken);
        for (int at = 0; at < bytes.Length; at += _geometry.L2EntrySize, guest += _geometry.ClusterSize)
        {
            L2Entry entry = L2Entry.Parse(_geometry, bytes.AsSpan(at));
            if (!entry.HasPlace)
            {
                continue;
            }

            AllocatedClusters++;
            if (entry.Defect(_geometry, guest, (int)metadata.Header.Version, _hasExternalData) is { } defect)
            {
                found($"The L2 entry 0x{entry.Descriptor:x16} of guest offset {guest} is invalid: {defect}.");
            }
            else if (entry.IsCompressed)
            {
                (long offset, int length) = entry.CompressedPlace(_geometry);
                // The entry counts whole sectors; the file may end before the last of them does.
                length = (int)Math.Clamp(file.Length - offset, 1, length);
                CountArea($"compressed cluster of guest offset {guest}", new HostArea(offset, length, HostUse.Compressed, guest));
            }
            else if (_hasExternalData)
            {
                Referred(new HostArea(entry.HostOffset, _geometry.ClusterSize, use, guest));
            }
            else
            {
                CountArea($"cluster of guest offset {guest}", new HostArea(entry.HostOffset, _geometry.ClusterSize, use, guest));
                await entryFound(new MappedCluster(table + at, entry.Descriptor, IsL2Table: false));
            }
        }
    }

    private async ValueTask CountBitmapsAsync(CancellationToken cancellationToken)
    {
        if (metadata.Extensions.Bitmaps is not { } pointer || !metadata.Header.Autoclear.HasFlag(Qcow2Autoclear.Bitmaps))
        {
            return;
        }

        IReadOnlyList<Qcow2Bitmap> bitmaps = await Qcow2BitmapDirectory.ReadAsync(file, pointer, _geometry, cancellationToken);
        CountTable("bitmap directory", (long)pointer.DirectoryOffset, (long)pointer.DirectoryBytes);
        foreach (Qcow2Bitmap bitmap in bitmaps)
        {
            CountTable($"table of bitmap '{bitmap.Name}'", bitmap.TableOffset, (long)bitmap.TableEntries * sizeof(ulong));
            PointerTable table = await PointerTable.ReadAsync(file, bitmap.TableOffset, bitmap.TableEntries, cancellationToken);
            for (int i = 0; i < bitmap.TableEntries; i++)
            {
                // Without a place, bit 0 says whether all bits are set.
                if (table[i] != 1 && IsPlace($"entry {i} of bitmap '{bitmap.Name}'", table[i], L2Entry.OffsetMask, flags: 0, out long cluster))
                {
                    Count(cluster);
                }
            }
        }
    }

    /// <summary>Whether a table entry holds a place that may be followed; 0 is none.</summary>
    private bool IsPlace(string name, ulong entry, ulong offsetMask, ulong flags, out long offset)
    {
        offset = (long)(entry & offsetMask);
        if ((entry & ~(offsetMask | flags)) != 0 || !_geometry.IsClusterAligned((ulong)offset) || !InFile(offset))
        {
            found($"The {name} is 0x{entry:x16}: reserved bits are set, or it is misaligned or outside of the file of {file.Length} bytes.");
            return false;
        }

        return offset != 0;
    }

    /// <summary>Counts all clusters that the bytes touch; only the last one may lie partly behind the end of the file.</summary>
    private void CountArea(string name, HostArea area)
    {
        (long offset, long bytes) = (area.Offset, area.Length);
        if (bytes == 0)
        {
            // The offset of nothing has no meaning and may be anything.
            return;
        }

        if ((offset + bytes - 1 & -(long)_geometry.ClusterSize) >= file.Length)
        {
            found($"The {name} at offset {offset} does not lie in the file of {file.Length} bytes.");
            return;
        }

        Referred(area);
        for (long cluster = offset >> _geometry.ClusterBits; cluster << _geometry.ClusterBits < offset + bytes; cluster++)
        {
            Counts.Add(cluster);
        }
    }

    private void CountTable(string name, long offset, long bytes) => CountArea(name, new HostArea(offset, bytes, HostUse.Metadata));

    private void Count(long offset)
    {
        Referred(new HostArea(offset, _geometry.ClusterSize, HostUse.Metadata));
        Counts.Add(offset >> _geometry.ClusterBits);
    }

    private bool InFile(long offset) => offset >= 0 && offset <= Math.Max(0, file.Length - _geometry.ClusterSize);
}
