using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>The fixed part of the header as it stands on disk; <see cref="Qcow2Validator"/> decides what may be believed.</summary>
/// <remarks>
/// Big-endian: magic 0, version 4, backing_file_offset 8, backing_file_size 16, cluster_bits 20, size 24, crypt_method 32,
/// l1_size 36, l1_table_offset 40, refcount_table_offset 48, refcount_table_clusters 56, nb_snapshots 60, snapshots_offset 64;
/// version 3 goes on with incompatible_features 72, compatible_features 80, autoclear_features 88, refcount_order 96,
/// header_length 100, compression_type 104 (one byte, seven of padding; present if header_length says so).
/// </remarks>
public readonly record struct Qcow2Header
{
    internal const uint Magic = 0x514649FB;

    internal const int SizeVersion2 = 72;

    internal const int SizeVersion3 = 104;

    /// <summary>What we and today's QEMU write: version 3 with a compression type.</summary>
    internal const int SizeFull = 112;

    // Version 2 has no such field: its refcounts always have 16 bits.
    private const uint RefcountOrderVersion2 = 4;

    public uint Version { get; init; }

    public ulong BackingNameOffset { get; init; }

    public uint BackingNameBytes { get; init; }

    public uint ClusterBits { get; init; }

    public ulong VirtualSize { get; init; }

    public uint CryptMethod { get; init; }

    public uint L1Entries { get; init; }

    public ulong L1Offset { get; init; }

    public ulong RefcountTableOffset { get; init; }

    public uint RefcountTableClusters { get; init; }

    public uint SnapshotCount { get; init; }

    public ulong SnapshotTableOffset { get; init; }

    public Qcow2Incompatible Incompatible { get; init; }

    public Qcow2Compatible Compatible { get; init; }

    public Qcow2Autoclear Autoclear { get; init; }

    public uint RefcountOrder { get; init; }

    public uint HeaderBytes { get; init; }

    public byte CompressionType { get; init; }

    /// <summary>cluster_bits alone, not checked: it says how much of the file belongs to the header.</summary>
    internal static uint ParseClusterBits(ReadOnlySpan<byte> source) =>
        source.Length < SizeVersion2 ? 0 : new SpanReader(source[20..]).UInt32BigEndian();

    /// <summary>Reads the fields; only what their places depend on (magic, version, length) is checked here.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2MagicInvalid"/>, <see cref="ErrorIds.Qcow2HeaderTruncated"/>,
    /// <see cref="ErrorIds.Qcow2HeaderLengthInvalid"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.Qcow2VersionUnsupported"/>.</exception>
    public static Qcow2Header Parse(ReadOnlySpan<byte> source)
    {
        if (source.Length < 8 || new SpanReader(source).UInt32BigEndian() != Magic)
        {
            throw new InvalidImageException(ErrorIds.Qcow2MagicInvalid, "The file does not start with the qcow2 magic bytes 'QFI\\xFB'.");
        }

        uint version = new SpanReader(source[4..]).UInt32BigEndian();
        if (version is not (2 or 3))
        {
            throw new UnsupportedFeatureException(ErrorIds.Qcow2VersionUnsupported, $"The qcow2 version is {version}; 2 and 3 are supported.");
        }

        if (source.Length < (version == 2 ? SizeVersion2 : SizeVersion3))
        {
            throw new InvalidImageException(ErrorIds.Qcow2HeaderTruncated,
                $"The file ends after {source.Length} bytes, inside of its version {version} header.");
        }

        Qcow2Header header = ParseVersion2(source) with { Version = version };
        return version == 2 ? header : header.WithVersion3(source);
    }

    /// <summary>Writes <see cref="HeaderBytes"/> bytes.</summary>
    public void WriteTo(Span<byte> target)
    {
        var writer = new SpanWriter(target);
        writer.UInt32BigEndian(Magic);
        writer.UInt32BigEndian(Version);
        writer.UInt64BigEndian(BackingNameOffset);
        writer.UInt32BigEndian(BackingNameBytes);
        writer.UInt32BigEndian(ClusterBits);
        writer.UInt64BigEndian(VirtualSize);
        writer.UInt32BigEndian(CryptMethod);
        writer.UInt32BigEndian(L1Entries);
        writer.UInt64BigEndian(L1Offset);
        writer.UInt64BigEndian(RefcountTableOffset);
        writer.UInt32BigEndian(RefcountTableClusters);
        writer.UInt32BigEndian(SnapshotCount);
        writer.UInt64BigEndian(SnapshotTableOffset);
        if (Version == 2)
        {
            return;
        }

        writer.UInt64BigEndian((ulong)Incompatible);
        writer.UInt64BigEndian((ulong)Compatible);
        writer.UInt64BigEndian((ulong)Autoclear);
        writer.UInt32BigEndian(RefcountOrder);
        writer.UInt32BigEndian(HeaderBytes);
        if (HeaderBytes >= SizeFull)
        {
            writer.Byte(CompressionType);
            writer.Zeros(7);
        }
    }

    private static Qcow2Header ParseVersion2(ReadOnlySpan<byte> source)
    {
        var reader = new SpanReader(source[8..]);
        return new Qcow2Header
        {
            BackingNameOffset = reader.UInt64BigEndian(),
            BackingNameBytes = reader.UInt32BigEndian(),
            ClusterBits = reader.UInt32BigEndian(),
            VirtualSize = reader.UInt64BigEndian(),
            CryptMethod = reader.UInt32BigEndian(),
            L1Entries = reader.UInt32BigEndian(),
            L1Offset = reader.UInt64BigEndian(),
            RefcountTableOffset = reader.UInt64BigEndian(),
            RefcountTableClusters = reader.UInt32BigEndian(),
            SnapshotCount = reader.UInt32BigEndian(),
            SnapshotTableOffset = reader.UInt64BigEndian(),
            RefcountOrder = RefcountOrderVersion2,
            HeaderBytes = SizeVersion2,
        };
    }

    private Qcow2Header WithVersion3(ReadOnlySpan<byte> source)
    {
        var reader = new SpanReader(source[SizeVersion2..]);
        Qcow2Header header = this with
        {
            Incompatible = (Qcow2Incompatible)reader.UInt64BigEndian(),
            Compatible = (Qcow2Compatible)reader.UInt64BigEndian(),
            Autoclear = (Qcow2Autoclear)reader.UInt64BigEndian(),
            RefcountOrder = reader.UInt32BigEndian(),
            HeaderBytes = reader.UInt32BigEndian(),
        };
        if (header.HeaderBytes < SizeVersion3 || header.HeaderBytes % 8 != 0 || header.HeaderBytes > source.Length)
        {
            throw new InvalidImageException(ErrorIds.Qcow2HeaderLengthInvalid,
                $"The header length is {header.HeaderBytes}; it must be a multiple of 8 from {SizeVersion3} up, inside of the first cluster.");
        }

        return header.HeaderBytes > SizeVersion3 ? header with { CompressionType = reader.Byte() } : header;
    }
}
