using System.Buffers.Binary;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Vhdx;

/// <summary>Where the items of the metadata region stand ([MS-VHDX] 2.6.1).</summary>
/// <remarks>
/// Little-endian, 64 KiB: signature "metadata" 0, reserved 8, entry_count 10 (16 bits), reserved 12; from 32 on entries of 32 bytes:
/// item_id 0, offset 16 (from the start of the region, at least 64 KiB), length 20, flags 24 (bit 0 user, 1 virtual disk, 2 required), reserved 28.
/// </remarks>
internal sealed class VhdxMetadataTable
{
    public const int Size = 64 * 1024;

    private const int EntryBytes = 32;
    private const uint IsUser = 1;
    private const uint IsVirtualDisk = 2;
    private const uint IsRequired = 4;

    private readonly Dictionary<Guid, (int Offset, int Length)> _items = [];

    private VhdxMetadataTable()
    {
    }

    private static ReadOnlySpan<byte> Signature => "metadata"u8;

    /// <param name="region">All of the region that may hold items.</param>
    /// <param name="isKnown">Which items of the system we understand.</param>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.VhdxMetadataInvalid"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.VhdxMetadataUnsupported"/>.</exception>
    public static VhdxMetadataTable Parse(ReadOnlySpan<byte> region, Predicate<Guid> isKnown)
    {
        int count = BinaryPrimitives.ReadUInt16LittleEndian(region[10..]);
        if (!region.StartsWith(Signature) || count > VhdxLimits.MaxTableEntries)
        {
            throw Invalid($"The metadata table has no signature, or {count} entries; {VhdxLimits.MaxTableEntries} are possible.");
        }

        var table = new VhdxMetadataTable();
        for (int i = 0; i < count; i++)
        {
            table.Add(region.Slice(EntryBytes * (i + 1), EntryBytes), region.Length, isKnown);
        }

        return table;
    }

    /// <summary>Table and items as they stand at the start of a region.</summary>
    public static byte[] Encode(IReadOnlyList<(Guid Id, byte[] Value, bool OfDisk)> items)
    {
        byte[] target = new byte[Size + items.Sum(item => item.Value.Length)];
        var writer = new SpanWriter(target);
        writer.Bytes(Signature);
        writer.UInt16LittleEndian(0);
        writer.UInt16LittleEndian((ushort)items.Count);
        writer.Zeros(20);
        int offset = Size;
        foreach ((Guid id, byte[] value, bool ofDisk) in items)
        {
            id.TryWriteBytes(writer.Take(16));
            writer.UInt32LittleEndian((uint)offset);
            writer.UInt32LittleEndian((uint)value.Length);
            writer.UInt32LittleEndian(IsRequired | (ofDisk ? IsVirtualDisk : 0));
            writer.UInt32LittleEndian(0);
            value.CopyTo(target, offset);
            offset += value.Length;
        }

        return target;
    }

    /// <summary>The bytes of an item that must be there, of that length if one is given.</summary>
    public ReadOnlySpan<byte> Item(ReadOnlySpan<byte> region, Guid id, int? length)
    {
        if (!_items.TryGetValue(id, out (int Offset, int Length) place) || (length ?? place.Length) != place.Length)
        {
            throw Invalid($"The metadata item {id} is missing or has {place.Length} bytes in place of {length}.");
        }

        return region.Slice(place.Offset, place.Length);
    }

    public int OffsetOf(Guid id) => _items[id].Offset;

    private void Add(ReadOnlySpan<byte> entry, int regionBytes, Predicate<Guid> isKnown)
    {
        var reader = new SpanReader(entry);
        var id = new Guid(reader.Bytes(16));
        uint offset = reader.UInt32LittleEndian();
        uint length = reader.UInt32LittleEndian();
        uint flags = reader.UInt32LittleEndian();
        bool known = (flags & IsUser) == 0 && isKnown(id);
        if (!known && (flags & IsRequired) != 0)
        {
            throw new UnsupportedFeatureException(ErrorIds.VhdxMetadataUnsupported,
                $"The file has the metadata item {id}, which it requires to be understood, and which is not known.");
        }

        if (!known)
        {
            return;
        }

        if (offset < Size || length > VhdxLimits.MaxMetadataItemBytes || offset > regionBytes - length || !_items.TryAdd(id, ((int)offset, (int)length)))
        {
            throw Invalid($"The metadata item {id} is there twice, or its {length} bytes at {offset} do not lie in the region behind its table.");
        }
    }

    private static InvalidImageException Invalid(string message) => new(ErrorIds.VhdxMetadataInvalid, message);
}
