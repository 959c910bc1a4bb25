using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>The areas whose place the header gives. Guest data must never be written over one of them, whatever a table says.</summary>
internal sealed class Qcow2FixedAreas
{
    private readonly (string Name, long Start, long End)[] _areas;

    private Qcow2FixedAreas(IEnumerable<(string Name, long Start, long End)> areas) =>
        _areas = [.. areas.Where(area => area.End > area.Start).OrderBy(area => area.Start)];

    public static Qcow2FixedAreas Of(in Qcow2Header header, Qcow2HeaderExtensions extensions, Qcow2Geometry geometry)
    {
        var areas = new List<(string Name, long Start, long End)>
        {
            ("header", 0, geometry.ClusterSize),
            Area("L1 table", header.L1Offset, header.L1Entries * (long)sizeof(ulong), geometry),
            Area("refcount table", header.RefcountTableOffset, (long)header.RefcountTableClusters << geometry.ClusterBits, geometry),
            Area("snapshot table", header.SnapshotTableOffset, header.SnapshotCount * (long)Qcow2SnapshotEntry.FixedSize, geometry),
        };
        if (extensions.EncryptionHeader is { } encryption)
        {
            areas.Add(Area("encryption header", (ulong)encryption.Offset, encryption.Length, geometry));
        }

        return new Qcow2FixedAreas(areas);
    }

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2TablesOverlap"/>.</exception>
    public void CheckDisjoint()
    {
        foreach (((string Name, long Start, long End) first, (string Name, long Start, long End) second) in _areas.Zip(_areas.Skip(1)))
        {
            if (first.End > second.Start)
            {
                throw new InvalidImageException(ErrorIds.Qcow2TablesOverlap,
                    $"The {second.Name} at offset {second.Start} overlaps the {first.Name}, which ends at {first.End}.");
            }
        }
    }

    /// <summary>Refuses a place for guest data or new tables that an area of the header occupies.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2ClusterOverlapsMetadata"/>.</exception>
    public void CheckFree(long offset, long length)
    {
        foreach ((string name, long start, long end) in _areas)
        {
            if (offset < end && start < offset + length)
            {
                throw new InvalidImageException(ErrorIds.Qcow2ClusterOverlapsMetadata,
                    $"A cluster at offset {offset} would overlap the {name}; the image is damaged and was not written.");
            }
        }
    }

    // A table owns its last cluster to the end.
    private static (string Name, long Start, long End) Area(string name, ulong offset, long bytes, Qcow2Geometry geometry) =>
        (name, (long)offset, (long)offset + (geometry.ClusterCount(bytes) << geometry.ClusterBits));
}
