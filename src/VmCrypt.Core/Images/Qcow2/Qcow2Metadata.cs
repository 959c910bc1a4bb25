using System.Text;
using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>All that opening reads of an image, checked: header, extensions, snapshot list. The L1 table comes on top.</summary>
internal sealed record Qcow2Metadata(
    Qcow2Header Header,
    Qcow2HeaderExtensions Extensions,
    Qcow2Geometry Geometry,
    Qcow2Backing? Backing,
    IReadOnlyList<Qcow2Snapshot> Snapshots)
{
    /// <summary>Reads and checks; costs at most one cluster and the snapshot table, whatever the size of the image.</summary>
    public static async ValueTask<Qcow2Metadata> ReadAsync(IBlockDevice file, CancellationToken cancellationToken)
    {
        // Geometry first, from the fixed part: it says how much more of the file the header may claim.
        byte[] start = await ReadStartAsync(file, Qcow2Header.SizeFull, cancellationToken);
        int clusterBits = (int)Math.Min(Qcow2Header.ParseClusterBits(start), Qcow2Limits.MaxClusterBits);
        byte[] cluster = await ReadStartAsync(file, Math.Max(1 << clusterBits, start.Length), cancellationToken);

        Qcow2Header header = Qcow2Header.Parse(cluster);
        Qcow2Geometry geometry = Qcow2Validator.CheckGeometry(header);
        Qcow2HeaderExtensions extensions = Qcow2HeaderExtensions.Parse(ExtensionArea(header, cluster, geometry));
        Qcow2Validator.CheckFeatures(header, extensions);
        Qcow2Validator.CheckTables(header, extensions, geometry, file.Length);
        return new Qcow2Metadata(header, extensions, geometry, ParseBacking(header, extensions, cluster),
            await Qcow2SnapshotTable.ReadAsync(file, header, geometry, cancellationToken));
    }

    public Qcow2Facts ToFacts() => new()
    {
        Version = (int)Header.Version,
        ClusterSize = Geometry.ClusterSize,
        VirtualSize = (long)Header.VirtualSize,
        RefcountBits = Geometry.RefcountBits,
        ExtendedL2 = Geometry.ExtendedL2,
        CompressionType = (Qcow2CompressionType)Header.CompressionType,
        CryptMethod = (Qcow2CryptMethod)Header.CryptMethod,
        Backing = Backing,
        HasDataFile = HasDataFile,
        DataFile = HasDataFile ? Extensions.DataFile : null,
        DataFileIsRaw = Header.Autoclear.HasFlag(Qcow2Autoclear.RawExternalData),
        EncryptionHeader = Extensions.EncryptionHeader,
        IsDirty = Header.Incompatible.HasFlag(Qcow2Incompatible.Dirty),
        IsCorrupt = Header.Incompatible.HasFlag(Qcow2Incompatible.Corrupt),
        IncompatibleFeatures = Names(Qcow2FeatureKind.Incompatible, (ulong)Header.Incompatible),
        CompatibleFeatures = Names(Qcow2FeatureKind.Compatible, (ulong)Header.Compatible),
        AutoclearFeatures = Names(Qcow2FeatureKind.Autoclear, (ulong)Header.Autoclear),
    };

    private bool HasDataFile => Header.Incompatible.HasFlag(Qcow2Incompatible.ExternalDataFile);

    private string[] Names(Qcow2FeatureKind kind, ulong bits) => Qcow2Features.Names(kind, bits, Extensions.FeatureNames);

    private static ReadOnlySpan<byte> ExtensionArea(in Qcow2Header header, byte[] cluster, Qcow2Geometry geometry)
    {
        int end = Math.Min(cluster.Length, geometry.ClusterSize);
        if (header.BackingNameOffset >= header.HeaderBytes && header.BackingNameOffset < (ulong)end)
        {
            end = (int)header.BackingNameOffset;
        }

        return cluster.AsSpan((int)header.HeaderBytes, Math.Max(0, end - (int)header.HeaderBytes));
    }

    private static Qcow2Backing? ParseBacking(in Qcow2Header header, Qcow2HeaderExtensions extensions, byte[] cluster) =>
        header.BackingNameOffset == 0
            ? null
            : new Qcow2Backing(
                Encoding.UTF8.GetString(cluster, (int)header.BackingNameOffset, (int)header.BackingNameBytes), extensions.BackingFormat);

    private static async ValueTask<byte[]> ReadStartAsync(IBlockDevice file, int count, CancellationToken cancellationToken)
    {
        byte[] start = new byte[(int)Math.Min(count, file.Length)];
        await file.ReadAsync(0, start, cancellationToken);
        return start;
    }
}
