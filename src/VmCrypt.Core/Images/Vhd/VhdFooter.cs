using System.Buffers.Binary;
using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Images.Vhd;

/// <summary>The footer that ends every VHD file; dynamic ones have a copy of it at their start.</summary>
/// <remarks>
/// Big-endian, 512 bytes: cookie "conectix" 0, features 8, version 12, data_offset 16 (64 bits), time_stamp 24 (seconds since 2000),
/// creator_application 28 (4 letters), creator_version 32, creator_host_os 36, original_size 40 (64 bits), current_size 48 (64 bits),
/// cylinders 56 (16 bits), heads 58, sectors_per_track 59, disk_type 60, checksum 64 (complement of the sum of all other bytes),
/// unique_id 68 (16 bytes), saved_state 84, reserved 85.
/// </remarks>
internal sealed record VhdFooter
{
    public const int Size = 512;

    public const uint KnownVersion = 0x0001_0000;

    private const int ChecksumOffset = 64;
    private const uint ReservedFeature = 2;

    // What Hyper-V writes: readers then go by current_size, not by the geometry.
    private const string HyperV = "win ";
    private const uint HyperVVersion = 0x0006_0003;
    private const string Windows = "Wi2k";

    public static ReadOnlySpan<byte> Cookie => "conectix"u8;

    public uint Features { get; init; } = ReservedFeature;

    public uint Version { get; init; } = KnownVersion;

    public required ulong DataOffset { get; init; }

    public required uint TimeStamp { get; init; }

    public string CreatorApplication { get; init; } = HyperV;

    public uint CreatorVersion { get; init; } = HyperVVersion;

    public string CreatorHost { get; init; } = Windows;

    public required ulong OriginalSize { get; init; }

    public required ulong CurrentSize { get; init; }

    public required VhdGeometry Geometry { get; init; }

    public required uint DiskType { get; init; }

    public required Guid UniqueId { get; init; }

    public bool IsInSavedState { get; init; }

    /// <summary>Bytes of the disk, as QEMU reads them: by the geometry where the maker went by it and it says all, else by current_size.</summary>
    public ulong DiskSize => GoesByGeometry && Geometry.Sectors != VhdGeometry.MaxSectors ? (ulong)Geometry.Sectors * VhdLimits.Sector : CurrentSize;

    // Hyper-V, QEMU's newer images, Disk2vhd, XenServer, XenConverter and Azure go by current_size.
    private bool GoesByGeometry => CreatorApplication is not (HyperV or "qem2" or "d2v " or "tap\0" or "CTXS" or "wa\0\0");

    /// <summary>The footer at a place of the file; null where there is none.</summary>
    public static async ValueTask<VhdFooter?> ReadAsync(IBlockDevice file, long offset, CancellationToken cancellationToken)
    {
        if (offset < 0 || offset > file.Length - Size)
        {
            return null;
        }

        byte[] bytes = new byte[Size];
        await file.ReadAsync(offset, bytes, cancellationToken);
        return TryParse(bytes);
    }

    /// <summary>The footer in these 512 bytes; null where cookie or checksum say that there is none.</summary>
    public static VhdFooter? TryParse(ReadOnlySpan<byte> source)
    {
        if (!source.StartsWith(Cookie) || VhdChecksum.Of(source[..Size], ChecksumOffset) != BinaryPrimitives.ReadUInt32BigEndian(source[ChecksumOffset..]))
        {
            return null;
        }

        var reader = new SpanReader(source[Cookie.Length..Size]);
        return new VhdFooter
        {
            Features = reader.UInt32BigEndian(),
            Version = reader.UInt32BigEndian(),
            DataOffset = reader.UInt64BigEndian(),
            TimeStamp = reader.UInt32BigEndian(),
            CreatorApplication = Encoding.Latin1.GetString(reader.Bytes(4)),
            CreatorVersion = reader.UInt32BigEndian(),
            CreatorHost = Encoding.Latin1.GetString(reader.Bytes(4)),
            OriginalSize = reader.UInt64BigEndian(),
            CurrentSize = reader.UInt64BigEndian(),
            Geometry = new VhdGeometry(reader.UInt16BigEndian(), reader.Byte(), reader.Byte()),
            DiskType = reader.UInt32BigEndian(),
            UniqueId = new Guid(reader.Bytes(20)[4..], bigEndian: true),
            IsInSavedState = reader.Byte() != 0,
        };
    }

    public byte[] Encode()
    {
        byte[] target = new byte[Size];
        var writer = new SpanWriter(target);
        writer.Bytes(Cookie);
        writer.UInt32BigEndian(Features);
        writer.UInt32BigEndian(Version);
        writer.UInt64BigEndian(DataOffset);
        writer.UInt32BigEndian(TimeStamp);
        writer.Bytes(Encoding.Latin1.GetBytes(CreatorApplication));
        writer.UInt32BigEndian(CreatorVersion);
        writer.Bytes(Encoding.Latin1.GetBytes(CreatorHost));
        writer.UInt64BigEndian(OriginalSize);
        writer.UInt64BigEndian(CurrentSize);
        writer.UInt16BigEndian(Geometry.Cylinders);
        writer.Byte(Geometry.Heads);
        writer.Byte(Geometry.SectorsPerTrack);
        writer.UInt32BigEndian(DiskType);
        writer.UInt32BigEndian(0);
        UniqueId.TryWriteBytes(writer.Take(16), bigEndian: true, out _);
        writer.Byte(IsInSavedState ? (byte)1 : (byte)0);
        BinaryPrimitives.WriteUInt32BigEndian(target.AsSpan(ChecksumOffset), VhdChecksum.Of(target, ChecksumOffset));
        return target;
    }

    /// <summary>The same disk with another size.</summary>
    public VhdFooter Resized(long diskSize) => this with
    {
        CurrentSize = (ulong)diskSize,
        Geometry = VhdGeometry.For(diskSize),
        // A maker that goes by the geometry could not say every size.
        CreatorApplication = GoesByGeometry ? HyperV : CreatorApplication,
    };
}
