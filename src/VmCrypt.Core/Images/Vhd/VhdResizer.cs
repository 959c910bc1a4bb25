using System.Buffers.Binary;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Blocks;

namespace VmCrypt.Core.Images.Vhd;

/// <summary>Changes the size of a dynamic or differencing VHD disk.</summary>
internal sealed class VhdResizer(IBlockDevice file, VhdLayout layout, VhdTable table, VhdFooters footers, BackingLayer backing, BlockEngine engine)
    : BlockResizer(table, backing, engine)
{
    private const int TableOffsetField = 16;
    private const int TableEntriesField = 28;
    private const int ChecksumField = 36;

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.VhdSizeInvalid"/>.</exception>
    protected override void Check(long length) => CheckSize(length);

    /// <inheritdoc cref="Check"/>
    public static void CheckSize(long length)
    {
        if (length > VhdLimits.MaxDiskSize || length % VhdLimits.Sector != 0)
        {
            throw new InvalidInputException(ErrorIds.VhdSizeInvalid,
                $"The disk cannot have {length} bytes, but a multiple of {VhdLimits.Sector}, at most {VhdLimits.MaxDiskSize}.");
        }
    }

    /// <summary>A table that is too short gets a longer copy at the end of the file, which one sector of the header then names.</summary>
    protected override async ValueTask MakeRoomAsync(long length, CancellationToken cancellationToken)
    {
        long entries = table.EntriesFor(length);
        if (entries <= table.Entries)
        {
            return;
        }

        if (entries > VhdLimits.MaxTableEntries)
        {
            throw new InvalidInputException(ErrorIds.VhdSizeInvalid,
                $"The disk cannot have {length} bytes in blocks of {table.BlockSize}: its table would have {entries} entries, at most {VhdLimits.MaxTableEntries}.");
        }

        byte[] copy = new byte[(int)((entries * sizeof(uint)) + VhdLimits.Sector - 1) & -VhdLimits.Sector];
        copy.AsSpan().Fill(byte.MaxValue);
        int old = (int)table.Entries * sizeof(uint);
        await file.ReadAsync(table.Offset, copy.AsMemory(0, old), cancellationToken);
        long place = await table.GrowForTableAsync(copy.Length, cancellationToken);
        await file.WriteAsync(place, copy, cancellationToken);
        await file.FlushAsync(cancellationToken);
        await RenameTableAsync(place, (uint)entries, cancellationToken);
        table.Moved(place, entries);
    }

    protected override ValueTask CommitSizeAsync(long length, CancellationToken cancellationToken) => footers.ResizeAsync(length, cancellationToken);

    private async ValueTask RenameTableAsync(long place, uint entries, CancellationToken cancellationToken)
    {
        long offset = (long)layout.Footer.DataOffset;
        byte[] header = new byte[VhdHeader.Size];
        await file.ReadAsync(offset, header, cancellationToken);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(TableOffsetField), place);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(TableEntriesField), entries);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(ChecksumField), VhdChecksum.Of(header, ChecksumField));
        await file.WriteAsync(offset, header.AsMemory(0, VhdLimits.Sector), cancellationToken);
        await file.FlushAsync(cancellationToken);
    }
}
