using System.Buffers.Binary;
using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Makes new, empty qcow2 images.</summary>
/// <remarks>From the front: header, refcount table, refcount blocks, L1 table, encryption header, then what is preallocated.</remarks>
public static class Qcow2Builder
{
    private const uint LuksCryptMethod = (uint)Qcow2CryptMethod.Luks;

    /// <summary>Replaces the content of <paramref name="file"/> (which stays the caller's) by an empty image.</summary>
    /// <remarks>
    /// The header is written last: an image whose creation was cut short is no image. Where a LUKS header is asked for, its place is left
    /// zeroed for the caller, see <see cref="Qcow2Image.OpenEncryptionHeader"/>. An external data file is made by <see cref="Raw.RawBuilder"/>.
    /// </remarks>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.Qcow2OptionsInvalid"/>, <see cref="ErrorIds.Qcow2TooLarge"/>.</exception>
    public static async ValueTask CreateAsync(IBlockDevice file, Qcow2CreateOptions options, CancellationToken cancellationToken)
    {
        Qcow2Geometry geometry = Qcow2CreateOptionsValidator.Check(options);
        Layout layout = Plan(options, geometry);
        Qcow2HeaderExtensions extensions = ExtensionsFor(options, layout, geometry);
        Qcow2Header header = HeaderFor(options, layout, geometry, extensions);
        // Fails before anything is touched if the names do not fit.
        _ = EncodeHeader(header, extensions, options.BackingPath, geometry);

        await ClearAsync(file, layout.Clusters << geometry.ClusterBits, cancellationToken);
        await WriteRefcountsAsync(file, layout, geometry, cancellationToken);
        var metadata = new Qcow2Metadata(header, extensions, geometry, null, []);
        if (options.Preallocation != Preallocation.Off || options.DataFileIsRaw)
        {
            header = await Qcow2Preallocator.RunAsync(file, metadata, options, cancellationToken);
        }

        await file.FlushAsync(cancellationToken);
        await file.WriteAsync(0, EncodeHeader(header, extensions, options.BackingPath, geometry), cancellationToken);
        await file.FlushAsync(cancellationToken);
    }

    /// <summary>Cluster numbers of the areas; <see cref="Clusters"/> is how many there are in all.</summary>
    private sealed record Layout(int TableClusters, int Blocks, int L1Clusters, int EncryptionClusters)
    {
        public const int FirstTable = 1;

        public int FirstBlock => FirstTable + TableClusters;

        public int FirstL1 => FirstBlock + Blocks;

        public int FirstEncryption => FirstL1 + L1Clusters;

        public long Clusters => FirstEncryption + EncryptionClusters;
    }

    private static Layout Plan(Qcow2CreateOptions options, Qcow2Geometry geometry)
    {
        int l1Clusters = (int)geometry.ClusterCount(geometry.L1EntriesFor(options.Size) * sizeof(ulong));
        var layout = new Layout(1, 1, l1Clusters, (int)geometry.ClusterCount(options.EncryptionHeaderLength));
        while (true)
        {
            // The blocks count themselves and the table; so once more until nothing changes.
            int blocks = (int)((layout.Clusters + geometry.RefcountsPerBlock - 1) / geometry.RefcountsPerBlock);
            int tableClusters = (int)geometry.ClusterCount((long)blocks * sizeof(ulong));
            if (blocks <= layout.Blocks && tableClusters <= layout.TableClusters)
            {
                return layout;
            }

            layout = layout with { Blocks = Math.Max(blocks, layout.Blocks), TableClusters = Math.Max(tableClusters, layout.TableClusters) };
        }
    }

    private static Qcow2HeaderExtensions ExtensionsFor(Qcow2CreateOptions options, Layout layout, Qcow2Geometry geometry)
    {
        var extensions = new Qcow2HeaderExtensions
        {
            BackingFormat = options.BackingFormat,
            DataFile = options.DataFile,
            EncryptionHeader = options.EncryptionHeaderLength == 0
                ? null
                : new Qcow2EncryptionHeader((long)layout.FirstEncryption << geometry.ClusterBits, options.EncryptionHeaderLength),
        };
        Qcow2HeaderExtensions withNames = extensions with { FeatureNames = Qcow2Features.Known };
        int names = options.BackingPath is null ? 0 : Encoding.UTF8.GetByteCount(options.BackingPath);
        // The names of features are a courtesy; small clusters may have no room for them.
        return options.Version >= 3 && Qcow2Header.SizeFull + withNames.EncodedSize + names <= geometry.ClusterSize ? withNames : extensions;
    }

    private static Qcow2Header HeaderFor(Qcow2CreateOptions options, Layout layout, Qcow2Geometry geometry, Qcow2HeaderExtensions extensions)
    {
        uint headerBytes = options.Version == 2 ? (uint)Qcow2Header.SizeVersion2 : Qcow2Header.SizeFull;
        return new Qcow2Header
        {
            Version = (uint)options.Version,
            BackingNameOffset = options.BackingPath is null ? 0 : headerBytes + (ulong)extensions.EncodedSize,
            BackingNameBytes = options.BackingPath is null ? 0 : (uint)Encoding.UTF8.GetByteCount(options.BackingPath),
            ClusterBits = (uint)geometry.ClusterBits,
            VirtualSize = (ulong)options.Size,
            CryptMethod = options.EncryptionHeaderLength == 0 ? 0 : LuksCryptMethod,
            L1Entries = (uint)geometry.L1EntriesFor(options.Size),
            L1Offset = layout.L1Clusters == 0 ? 0 : (ulong)layout.FirstL1 << geometry.ClusterBits,
            RefcountTableOffset = (ulong)Layout.FirstTable << geometry.ClusterBits,
            RefcountTableClusters = (uint)layout.TableClusters,
            Incompatible = (options.DataFile is null ? Qcow2Incompatible.None : Qcow2Incompatible.ExternalDataFile)
                | (options.CompressionType == Qcow2CompressionType.Deflate ? Qcow2Incompatible.None : Qcow2Incompatible.CompressionType)
                | (options.ExtendedL2 ? Qcow2Incompatible.ExtendedL2 : Qcow2Incompatible.None),
            Compatible = options.LazyRefcounts ? Qcow2Compatible.LazyRefcounts : Qcow2Compatible.None,
            Autoclear = options.DataFileIsRaw ? Qcow2Autoclear.RawExternalData : Qcow2Autoclear.None,
            RefcountOrder = (uint)System.Numerics.BitOperations.Log2((uint)options.RefcountBits),
            HeaderBytes = headerBytes,
            CompressionType = (byte)options.CompressionType,
        };
    }

    private static byte[] EncodeHeader(in Qcow2Header header, Qcow2HeaderExtensions extensions, string? backingPath, Qcow2Geometry geometry)
    {
        byte[] name = Encoding.UTF8.GetBytes(backingPath ?? string.Empty);
        byte[] cluster = new byte[geometry.ClusterSize];
        if (header.HeaderBytes + extensions.EncodedSize + name.Length > cluster.Length)
        {
            throw new InvalidInputException(ErrorIds.Qcow2OptionsInvalid,
                $"The file names do not fit into the first cluster of {geometry.ClusterSize} bytes; choose larger clusters or shorter names.");
        }

        header.WriteTo(cluster);
        var writer = new SpanWriter(cluster.AsSpan((int)header.HeaderBytes));
        extensions.WriteTo(ref writer);
        writer.Bytes(name);
        return cluster;
    }

    /// <summary>Makes the first bytes read as zeros, whatever was there.</summary>
    private static async ValueTask ClearAsync(IBlockDevice file, long bytes, CancellationToken cancellationToken)
    {
        if (file.Traits.CanResize)
        {
            await file.SetLengthAsync(0, cancellationToken);
            await file.SetLengthAsync(bytes, cancellationToken);
        }
        else
        {
            BlockGuard.WritableRange(file, 0, bytes);
            await file.ZeroAsync(0, bytes, ZeroFlags.None, cancellationToken);
        }
    }

    private static async ValueTask WriteRefcountsAsync(IBlockDevice file, Layout layout, Qcow2Geometry geometry, CancellationToken cancellationToken)
    {
        byte[] table = new byte[(long)layout.TableClusters << geometry.ClusterBits];
        for (int block = 0; block < layout.Blocks; block++)
        {
            long offset = (long)(layout.FirstBlock + block) << geometry.ClusterBits;
            BinaryPrimitives.WriteInt64BigEndian(table.AsSpan(block * sizeof(ulong)), offset);
            byte[] counts = new byte[geometry.ClusterSize];
            long first = (long)block * geometry.RefcountsPerBlock;
            for (int i = 0; i < geometry.RefcountsPerBlock && first + i < layout.Clusters; i++)
            {
                RefcountEntry.Write(counts, i, geometry.RefcountBits, 1);
            }

            await file.WriteAsync(offset, counts, cancellationToken);
        }

        await file.WriteAsync((long)Layout.FirstTable << geometry.ClusterBits, table, cancellationToken);
    }
}
