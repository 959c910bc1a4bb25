using System.Buffers.Binary;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Vhdx;

/// <summary>A range of the file with a purpose of its own; offset and length in bytes.</summary>
internal readonly record struct VhdxRegion(Guid Id, long Offset, long Length, bool IsRequired)
{
    public long End => Offset + Length;

    public bool Overlaps(long offset, long length) => offset < End && Offset < offset + length;
}

/// <summary>The region table, of which the file has two copies ([MS-VHDX] 2.2.3).</summary>
/// <remarks>
/// Little-endian, 64 KiB at 192 KiB and at 256 KiB: signature "regi" 0, checksum 4 (CRC-32C of the 64 KiB), entry_count 8, reserved 12;
/// from 16 on entries of 32 bytes: guid 0, file_offset 16 (64 bits), length 24, required 28 (bit 0).
/// </remarks>
internal static class VhdxRegionTable
{
    public const int Size = 64 * 1024;

    public const long FirstOffset = 192 * 1024;

    public const long SecondOffset = 256 * 1024;

    private const int ChecksumOffset = 4;
    private const int HeaderBytes = 16;

    public static readonly Guid Bat = new("2DC27766-F623-4200-9D64-115E9BFD4A08");

    public static readonly Guid Metadata = new("8B7CA206-4790-4B9A-B8FE-575F050F886E");

    private static ReadOnlySpan<byte> Signature => "regi"u8;

    /// <summary>The regions that the first good copy lists.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.VhdxRegionTableInvalid"/>, <see cref="ErrorIds.VhdxRegionInvalid"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.VhdxRegionUnsupported"/>.</exception>
    public static async ValueTask<List<VhdxRegion>> ReadAsync(IBlockDevice file, CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[Size];
        await file.ReadAsync(FirstOffset, bytes, cancellationToken);
        if (!IsGood(bytes))
        {
            await file.ReadAsync(SecondOffset, bytes, cancellationToken);
        }

        return IsGood(bytes) ? Parse(bytes, file.Length) : throw new InvalidImageException(ErrorIds.VhdxRegionTableInvalid,
            $"Neither of the two region tables has its signature, a good checksum and at most {VhdxLimits.MaxTableEntries} entries.");
    }

    public static byte[] Encode(IReadOnlyList<VhdxRegion> regions)
    {
        byte[] target = new byte[Size];
        var writer = new SpanWriter(target);
        writer.Bytes(Signature);
        writer.UInt32LittleEndian(0);
        writer.UInt32LittleEndian((uint)regions.Count);
        writer.UInt32LittleEndian(0);
        foreach (VhdxRegion region in regions)
        {
            region.Id.TryWriteBytes(writer.Take(16));
            writer.UInt64LittleEndian((ulong)region.Offset);
            writer.UInt32LittleEndian((uint)region.Length);
            writer.UInt32LittleEndian(region.IsRequired ? 1u : 0);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(target.AsSpan(ChecksumOffset), Crc32C.Of(target));
        return target;
    }

    private static bool IsGood(ReadOnlySpan<byte> bytes) => bytes.StartsWith(Signature)
        && Crc32C.WithZeroedField(bytes, ChecksumOffset) == BinaryPrimitives.ReadUInt32LittleEndian(bytes[ChecksumOffset..])
        && BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]) <= VhdxLimits.MaxTableEntries;

    private static List<VhdxRegion> Parse(ReadOnlySpan<byte> bytes, long fileLength)
    {
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]);
        var reader = new SpanReader(bytes[HeaderBytes..]);
        var regions = new List<VhdxRegion>();
        for (int i = 0; i < count; i++)
        {
            var id = new Guid(reader.Bytes(16));
            ulong offset = reader.UInt64LittleEndian();
            uint length = reader.UInt32LittleEndian();
            bool required = (reader.UInt32LittleEndian() & 1) != 0;
            if (offset is < VhdxLimits.Alignment or > VhdxLimits.MaxFileBytes || offset % VhdxLimits.Alignment != 0
                || length is 0 or > (uint)VhdxLimits.MaxRegionBytes || length % VhdxLimits.Alignment != 0 || (long)offset + length > fileLength)
            {
                throw new InvalidImageException(ErrorIds.VhdxRegionInvalid,
                    $"The region {id} has {length} bytes at offset {offset}; both must be multiples of {VhdxLimits.Alignment}, in the file of {fileLength} bytes.");
            }

            regions.Add(new VhdxRegion(id, (long)offset, length, required));
        }

        Check(regions);
        return regions;
    }

    private static void Check(List<VhdxRegion> regions)
    {
        if (regions.Find(region => region.IsRequired && region.Id != Bat && region.Id != Metadata) is { Length: > 0 } unknown)
        {
            throw new UnsupportedFeatureException(ErrorIds.VhdxRegionUnsupported,
                $"The file has the region {unknown.Id}, which it requires to be understood, and which is not known.");
        }

        foreach (Guid id in new[] { Bat, Metadata })
        {
            int found = regions.Count(region => region.Id == id);
            if (found != 1)
            {
                throw new InvalidImageException(ErrorIds.VhdxRegionTableInvalid,
                    $"The region table has {found} entries for the {(id == Bat ? "block allocation table" : "metadata")}; it must have one.");
            }
        }

        VhdxRegion[] sorted = [.. regions.OrderBy(region => region.Offset)];
        for (int i = 1; i < sorted.Length; i++)
        {
            if (sorted[i].Offset < sorted[i - 1].End)
            {
                throw new InvalidImageException(ErrorIds.VhdxRegionInvalid,
                    $"The regions {sorted[i - 1].Id} and {sorted[i].Id} overlap at offset {sorted[i].Offset}.");
            }
        }
    }
}
