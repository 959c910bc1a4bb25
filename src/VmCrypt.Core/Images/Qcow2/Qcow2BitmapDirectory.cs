using System.Buffers.Binary;
using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>The list of persistent bitmaps. We do not track writes in them; we tell others which ones are therefore out of date.</summary>
/// <remarks>
/// Entry: bitmap_table_offset 0 (64 bits), bitmap_table_size 8 (entries), flags 12, type 16 (8 bits), granularity_bits 17 (8 bits),
/// name_size 18 (16 bits), extra_data_size 20, extra data 24, name, padding to a multiple of 8.
/// </remarks>
internal static class Qcow2BitmapDirectory
{
    private const int FixedSize = 24;
    private const int FlagsAt = 12;
    private const uint InUse = 1;
    private const uint Auto = 2;
    private const uint KnownFlags = 7;
    private const byte DirtyTracking = 1;
    private const int MinGranularityBits = 9;
    private const int MaxGranularityBits = 31;

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2BitmapsInvalid"/>.</exception>
    public static async ValueTask<IReadOnlyList<Qcow2Bitmap>> ReadAsync(
        IBlockDevice file, Qcow2BitmapsPointer pointer, Qcow2Geometry geometry, CancellationToken cancellationToken)
    {
        if (pointer.Count is 0 or > Qcow2Limits.MaxBitmaps || pointer.Reserved != 0
            || pointer.DirectoryBytes > Qcow2Limits.MaxBitmapDirectoryBytes || !geometry.IsClusterAligned(pointer.DirectoryOffset)
            || pointer.DirectoryOffset > (ulong)file.Length || pointer.DirectoryBytes > (ulong)file.Length - pointer.DirectoryOffset)
        {
            throw Invalid($"The directory of {pointer.Count} bitmaps ({pointer.DirectoryBytes} bytes at offset {pointer.DirectoryOffset}) " +
                "is empty, too large, misaligned or not in the file.");
        }

        var bitmaps = new List<Qcow2Bitmap>();
        var window = new TableWindow(file, (long)pointer.DirectoryOffset, ErrorIds.Qcow2BitmapsInvalid);
        for (uint i = 0; i < pointer.Count; i++)
        {
            byte[] head = await window.PeekAsync(FixedSize, cancellationToken);
            int size = CheckSize(head);
            if (window.Consumed + size > (long)pointer.DirectoryBytes)
            {
                throw Invalid($"Bitmap {i} does not lie in the directory of {pointer.DirectoryBytes} bytes.");
            }

            bitmaps.Add(Parse(await window.PeekAsync(size, cancellationToken), window.Position, geometry, file.Length));
            window.Advance((size + 7) & ~7);
        }

        return bitmaps;
    }

    /// <summary>Marks bitmaps as inconsistent, each by a write that a power cut does not tear. The caller flushes.</summary>
    public static async ValueTask MarkInUseAsync(IBlockDevice file, IEnumerable<Qcow2Bitmap> bitmaps, CancellationToken cancellationToken)
    {
        foreach (Qcow2Bitmap bitmap in bitmaps.Where(bitmap => !bitmap.IsInconsistent))
        {
            byte[] flags = new byte[sizeof(uint)];
            BinaryPrimitives.WriteUInt32BigEndian(flags, bitmap.Flags | InUse);
            await file.WriteAsync(bitmap.FlagsOffset, flags, cancellationToken);
        }
    }

    private static int CheckSize(ReadOnlySpan<byte> head)
    {
        int nameBytes = BinaryPrimitives.ReadUInt16BigEndian(head[18..]);
        uint extraBytes = BinaryPrimitives.ReadUInt32BigEndian(head[20..]);
        return nameBytes is 0 or > Qcow2Limits.MaxBitmapNameBytes || extraBytes > Qcow2Limits.MaxBitmapDirectoryBytes
            ? throw Invalid($"A bitmap has a name of {nameBytes} bytes and {extraBytes} bytes of extra data, which is not allowed.")
            : FixedSize + nameBytes + (int)extraBytes;
    }

    private static Qcow2Bitmap Parse(ReadOnlySpan<byte> entry, long offset, Qcow2Geometry geometry, long fileLength)
    {
        var reader = new SpanReader(entry);
        ulong tableOffset = reader.UInt64BigEndian();
        uint tableEntries = reader.UInt32BigEndian();
        uint flags = reader.UInt32BigEndian();
        byte type = reader.Byte();
        byte granularityBits = reader.Byte();
        int nameBytes = reader.UInt16BigEndian();
        int extraBytes = (int)reader.UInt32BigEndian();
        reader.Skip(extraBytes);
        string name = Encoding.UTF8.GetString(reader.Bytes(nameBytes));

        long tableBytes = (long)tableEntries * sizeof(ulong);
        if (tableBytes is 0 or > Qcow2Limits.MaxBitmapTableBytes || !geometry.IsClusterAligned(tableOffset) || tableOffset == 0
            || tableOffset > (ulong)fileLength || tableBytes > fileLength - (long)tableOffset)
        {
            throw Invalid($"The table of bitmap '{name}' ({tableEntries} entries at offset {tableOffset}) is empty, too large, misaligned or not in the file.");
        }

        if ((flags & ~KnownFlags) != 0 || type != DirtyTracking || granularityBits is < MinGranularityBits or > MaxGranularityBits)
        {
            throw Invalid($"Bitmap '{name}' has flags 0x{flags:x}, type {type} and granularity 2^{granularityBits}; " +
                $"flags up to 7, type {DirtyTracking} and granularities from 2^{MinGranularityBits} to 2^{MaxGranularityBits} are allowed.");
        }

        return new Qcow2Bitmap(name, 1L << granularityBits, (flags & Auto) != 0, (flags & InUse) != 0)
        {
            TableOffset = (long)tableOffset,
            TableEntries = (int)tableEntries,
            Flags = flags,
            FlagsOffset = offset + FlagsAt,
        };
    }

    private static InvalidImageException Invalid(string message) => new(ErrorIds.Qcow2BitmapsInvalid, message);
}
