using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Vhdx;

/// <summary>A file whose headers, log, region table and metadata have been read and fit together.</summary>
internal sealed record VhdxLayout(VhdxStorage Storage, VhdxHeaderPair Headers, IReadOnlyList<VhdxRegion> Regions, VhdxMetadata Metadata)
{
    /// <summary>More of a metadata region than any of its items that we read can reach.</summary>
    private const int MaxMetadataBytes = 16 * 1024 * 1024;

    public VhdxRegion Bat => Regions.First(region => region.Id == VhdxRegionTable.Bat);

    public VhdxRegion MetadataRegion => Regions.First(region => region.Id == VhdxRegionTable.Metadata);

    /// <summary>Reads all of it, the log's last word included; takes <paramref name="file"/> (not if this throws).</summary>
    public static async ValueTask<VhdxLayout> ReadAsync(IBlockDevice file, CancellationToken cancellationToken)
    {
        VhdxHeaderPair headers = await VhdxHeaderPair.ReadAsync(file, cancellationToken);
        VhdxStorage storage = await VhdxStorage.OpenAsync(file, headers, cancellationToken);
        List<VhdxRegion> regions = await VhdxRegionTable.ReadAsync(storage, cancellationToken);
        CheckLog(headers.Current, regions);
        VhdxRegion region = regions.Find(candidate => candidate.Id == VhdxRegionTable.Metadata);
        byte[] bytes = new byte[(int)Math.Min(region.Length, MaxMetadataBytes)];
        await storage.ReadAsync(region.Offset, bytes, cancellationToken);
        var layout = new VhdxLayout(storage, headers, regions, VhdxMetadata.Parse(bytes));
        var geometry = VhdxGeometry.Of(layout.Metadata);
        long needed = geometry.BatEntries(layout.Metadata.DiskSize) * sizeof(ulong);
        return needed <= layout.Bat.Length
            ? layout
            : throw new InvalidImageException(ErrorIds.VhdxBatInvalid,
                $"The block allocation table has {layout.Bat.Length} bytes; a disk of {layout.Metadata.DiskSize} needs {needed}.");
    }

    private static void CheckLog(in VhdxHeader header, List<VhdxRegion> regions)
    {
        foreach (VhdxRegion region in regions)
        {
            if (header.LogBytes > 0 && region.Overlaps((long)header.LogOffset, header.LogBytes))
            {
                throw new InvalidImageException(ErrorIds.VhdxRegionInvalid,
                    $"The region {region.Id} at offset {region.Offset} overlaps the log at {header.LogOffset}.");
            }
        }
    }
}
