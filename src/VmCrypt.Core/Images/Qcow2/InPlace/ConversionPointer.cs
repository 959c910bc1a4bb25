using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Images.Qcow2.InPlace;

/// <summary>Where the journal of an unfinished conversion lies in the file; both in bytes, multiples of the cluster size.</summary>
/// <remarks>Header extension 0x564d4a50, 16 bytes: offset 0 (64 bits), length 8 (64 bits).</remarks>
internal readonly record struct ConversionPointer(long Offset, long Length)
{
    public const uint Type = 0x564D4A50;
    public const int Size = 16;

    /// <summary>The header of a file under conversion: it fits one sector, which the medium writes whole or not at all.</summary>
    public const int SectorSize = 512;

    public static ConversionPointer Parse(ReadOnlySpan<byte> source)
    {
        var reader = new SpanReader(source);
        // Beyond 63 bits the value turns negative, which is refused with all that does not lie in the file.
        return new ConversionPointer((long)reader.UInt64BigEndian(), (long)reader.UInt64BigEndian());
    }

    public byte[] Encode()
    {
        byte[] bytes = new byte[Size];
        var writer = new SpanWriter(bytes);
        writer.UInt64BigEndian((ulong)Offset);
        writer.UInt64BigEndian((ulong)Length);
        return bytes;
    }

    /// <summary>The pointer in the file's header; null where no conversion is under way.</summary>
    /// <exception cref="Errors.InvalidImageException">The header is damaged.</exception>
    public static async ValueTask<ConversionPointer?> FindAsync(IBlockDevice file, CancellationToken cancellationToken)
    {
        byte[] sector = new byte[(int)Math.Min(SectorSize, file.Length)];
        await file.ReadAsync(0, sector, cancellationToken);
        var header = Qcow2Header.Parse(sector);
        return header.Incompatible.HasFlag(Qcow2Incompatible.Conversion)
            ? Qcow2HeaderExtensions.Parse(sector.AsSpan((int)header.HeaderBytes)).Conversion
            : null;
    }

    /// <summary>The sector that stands in front while the conversion is under way. Whoever does not know its feature bit refuses the file.</summary>
    public byte[] EncodeSector(Qcow2Header header)
    {
        byte[] sector = new byte[SectorSize];
        header = header with
        {
            Incompatible = header.Incompatible | Qcow2Incompatible.Conversion,
            BackingNameOffset = 0,
            BackingNameBytes = 0,
            HeaderBytes = Qcow2Header.SizeFull,
        };
        header.WriteTo(sector);
        var writer = new SpanWriter(sector.AsSpan(Qcow2Header.SizeFull));
        new Qcow2HeaderExtensions { Conversion = this, FeatureNames = [Qcow2Features.Conversion] }.WriteTo(ref writer);
        return sector;
    }
}
