using System.Buffers.Binary;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Blocks;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Images.Vhdx;

/// <summary>Changes the size of a VHDX disk; what is written in one step goes through one log entry.</summary>
internal sealed class VhdxResizer(VhdxLayout layout, VhdxTable table, VhdxLog log, BackingLayer backing, BlockEngine engine)
    : BlockResizer(table, backing, engine)
{
    private const int CopyBytes = 1024 * 1024;

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.VhdxSizeInvalid"/>.</exception>
    protected override void Check(long length)
    {
        if (length > VhdxLimits.MaxDiskSize || length % layout.Metadata.LogicalSectorSize != 0)
        {
            throw new InvalidInputException(ErrorIds.VhdxSizeInvalid,
                $"The disk cannot have {length} bytes, but a multiple of {layout.Metadata.LogicalSectorSize}, at most {VhdxLimits.MaxDiskSize}.");
        }
    }

    /// <summary>A table that is too short gets a longer copy at the end of the file, which the region tables then name.</summary>
    protected override async ValueTask MakeRoomAsync(long length, CancellationToken cancellationToken)
    {
        long needed = table.EntriesFor(length) * sizeof(ulong);
        VhdxRegion bat = table.Bat;
        if (needed <= bat.Length)
        {
            return;
        }

        long bytes = (needed + VhdxLimits.Alignment - 1) & -(long)VhdxLimits.Alignment;
        long place = await table.GrowAsync(bytes, cancellationToken);
        byte[] buffer = new byte[CopyBytes];
        for (long at = 0; at < bat.Length; at += buffer.Length)
        {
            await table.File.ReadAsync(bat.Offset + at, buffer, cancellationToken);
            await table.File.WriteAsync(place + at, buffer, cancellationToken);
        }

        VhdxRegion[] regions = [.. table.Regions.Select(region => region == bat ? bat with { Offset = place, Length = bytes } : region)];
        byte[] encoded = VhdxRegionTable.Encode(regions);
        await log.CommitAsync([.. Sectors(VhdxRegionTable.FirstOffset, encoded), .. Sectors(VhdxRegionTable.SecondOffset, encoded)], cancellationToken);
        table.Moved(regions);
    }

    protected override async ValueTask CommitSizeAsync(long length, CancellationToken cancellationToken)
    {
        long offset = layout.MetadataRegion.Offset + layout.Metadata.DiskSizeOffset;
        long start = offset & -VhdxLimits.Sector;
        byte[] around = new byte[((offset + sizeof(long) + VhdxLimits.Sector - 1) & -VhdxLimits.Sector) - start];
        await table.File.ReadAsync(start, around, cancellationToken);
        BinaryPrimitives.WriteInt64LittleEndian(around.AsSpan((int)(offset - start)), length);
        await log.CommitAsync(Sectors(start, around), cancellationToken);
    }

    private static List<MetadataWrite> Sectors(long offset, byte[] bytes) =>
        [.. bytes.Chunk(VhdxLimits.Sector).Select((sector, i) => new MetadataWrite(offset + ((long)i * VhdxLimits.Sector), sector))];
}
