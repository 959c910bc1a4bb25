using System.Buffers.Binary;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Blocks;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Images.Vhdx;

/// <summary>The block allocation table and the sector bitmaps, changed through the log.</summary>
internal sealed class VhdxTable(VhdxLayout layout, VhdxLog log, int cacheBytes)
    : BlockTable(layout.Storage, layout.Metadata.DiskSize, layout.Metadata.BlockSize, layout.Metadata.LogicalSectorSize, PageSize, cacheBytes)
{
    private const int PageSize = VhdxLimits.Sector;
    private const int EntriesPerPage = PageSize / sizeof(ulong);
    private const int BitmapBytes = 1024 * 1024;

    private static readonly SectorBits s_bits = new(HighestFirst: false);

    private readonly VhdxGeometry _geometry = VhdxGeometry.Of(layout.Metadata);
    private readonly bool _hasParent = layout.Metadata.Parent is not null;
    private readonly VhdxHeader _header = layout.Headers.Current;
    private VhdxRegion _bat = layout.Bat;

    /// <summary>Regions of now: the resizer may move the table.</summary>
    public IReadOnlyList<VhdxRegion> Regions { get; private set; } = layout.Regions;

    public override bool KeepsBlocks => layout.Metadata.KeepsBlocks;

    public override BlockKind? Zeroed => BlockKind.Zero;

    public override BlockKind? Trimmed => _hasParent ? BlockKind.Zero : BlockKind.Absent;

    public VhdxRegion Bat => _bat;

    /// <summary>The resizer has moved the table.</summary>
    public void Moved(IReadOnlyList<VhdxRegion> regions)
    {
        Regions = regions;
        _bat = regions.First(region => region.Id == VhdxRegionTable.Bat);
    }

    public override long EntriesFor(long diskSize) => _geometry.BatEntries(diskSize);

    public override async ValueTask<BlockEntry> FindAsync(long block, CancellationToken cancellationToken)
    {
        VhdxBatEntry entry = await EntryAsync(_geometry.BlockIndex(block), cancellationToken);
        switch (entry.State)
        {
            case VhdxBlockState.NotPresent:
                return default;
            case VhdxBlockState.Undefined or VhdxBlockState.Zero or VhdxBlockState.Unmapped:
                return new BlockEntry(BlockKind.Zero, 0);
            case VhdxBlockState.PartiallyPresent when _hasParent:
                CheckPlace(entry.Offset, UsedBytes(block), $"block {block}");
                return new BlockEntry(BlockKind.Partial, (long)entry.Offset);
            case VhdxBlockState.FullyPresent:
                CheckPlace(entry.Offset, UsedBytes(block), $"block {block}");
                return new BlockEntry(BlockKind.Full, (long)entry.Offset);
            default:
                throw Invalid($"The entry of block {block} has the state {(int)entry.State}, which a disk {(_hasParent ? "with" : "without")} parent does not have.");
        }
    }

    public override async ValueTask<long> CountAlikeAsync(long block, long most, CancellationToken cancellationToken)
    {
        long index = _geometry.BlockIndex(block);
        TablePage page = await PageAsync(index, cancellationToken);
        most = Math.Min(most, _geometry.ChunkRatio - (block % _geometry.ChunkRatio));
        most = Math.Min(most, EntriesPerPage - (index % EntriesPerPage));
        int at = InPage(index);
        lock (page.Sync)
        {
            var state = (VhdxBlockState)(Read(page, at) & 7);
            long count = 1;
            while (count < most && (VhdxBlockState)(Read(page, at + (int)(count * sizeof(ulong))) & 7) == state)
            {
                count++;
            }

            return count;
        }
    }

    public override async ValueTask<SectorRun> FindSectorsAsync(long block, BlockEntry entry, SectorRange range, CancellationToken cancellationToken)
    {
        (long offset, int bit) = await BitmapPlaceAsync(block, range.First, cancellationToken);
        TablePage page = await Cache.GetAsync(offset, TableKind.SectorBitmap, cancellationToken);
        lock (page.Sync)
        {
            return s_bits.Run(page.Bytes, bit, Math.Min(range.Count, (PageSize * 8) - bit));
        }
    }

    public override async ValueTask StoreAsync(long block, long place, SectorRange? present, CancellationToken cancellationToken)
    {
        VhdxBatEntry old = await EntryAsync(_geometry.BlockIndex(block), cancellationToken);
        if (present is { } range)
        {
            await EnsureBitmapAsync(block, cancellationToken);
            await FillBitmapAsync(block, new SectorRange(0, _geometry.SectorsPerBlock), value: false, cancellationToken);
            await FillBitmapAsync(block, range, value: true, cancellationToken);
        }

        VhdxBlockState state = present is null ? VhdxBlockState.FullyPresent : VhdxBlockState.PartiallyPresent;
        await SetAsync(_geometry.BlockIndex(block), new VhdxBatEntry(state, place), cancellationToken);
        LeavePlace(old);
    }

    public override async ValueTask MarkAsync(long block, long place, SectorRange present, CancellationToken cancellationToken)
    {
        VhdxBatEntry entry = await EntryAsync(_geometry.BlockIndex(block), cancellationToken);
        if (entry.State == VhdxBlockState.PartiallyPresent && (long)entry.Offset == place)
        {
            await FillBitmapAsync(block, present, value: true, cancellationToken);
        }
    }

    public override async ValueTask EmptyAsync(long block, BlockKind kind, CancellationToken cancellationToken)
    {
        VhdxBatEntry old = await EntryAsync(_geometry.BlockIndex(block), cancellationToken);
        VhdxBlockState state = kind == BlockKind.Zero ? VhdxBlockState.Zero : VhdxBlockState.NotPresent;
        await SetAsync(_geometry.BlockIndex(block), new VhdxBatEntry(state, 0), cancellationToken);
        LeavePlace(old);
    }

    public override ValueTask<long> GrowAsync(CancellationToken cancellationToken) => GrowAsync(BlockSize, cancellationToken);

    /// <summary>Appends a range of whole MiB that reads as zeros.</summary>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.BlockStorageFixed"/>.</exception>
    public async ValueTask<long> GrowAsync(long bytes, CancellationToken cancellationToken)
    {
        if (!File.Traits.CanResize)
        {
            throw new UnsupportedFeatureException(ErrorIds.BlockStorageFixed, "The storage of the VHDX file has a fixed size, so no block can be added to it.");
        }

        long place = (File.Length + VhdxLimits.Alignment - 1) & -(long)VhdxLimits.Alignment;
        await File.SetLengthAsync(checked(place + bytes), cancellationToken);
        return place;
    }

    /// <remarks>
    /// Bitmaps first, then the table from its end: should it take several log entries, then no block in part is ever without its
    /// bitmap, whose entry stands behind those of its blocks.
    /// </remarks>
    public override ValueTask PersistAsync(List<(TablePage Page, MetadataWrite Write)> pages, CancellationToken cancellationToken) =>
        log.CommitAsync(
            [.. pages.OrderByDescending(page => page.Page.Kind).ThenByDescending(page => page.Write.Offset).Select(page => page.Write)],
            cancellationToken);

    public override IEnumerable<HostArea> Structures =>
    [
        new HostArea(0, VhdxLimits.Alignment, HostUse.Metadata),
        new HostArea((long)_header.LogOffset, _header.LogBytes, HostUse.Metadata),
        .. Regions.Select(region => new HostArea(region.Offset, region.Length, HostUse.Metadata)),
    ];

    public override int PlaceAlignment => VhdxLimits.Alignment;

    // The next block in part is written into the bitmap that its chunk has, whether or not it had blocks in part before.
    public override async ValueTask<HostArea> BitmapOfAsync(long block, BlockEntry entry, CancellationToken cancellationToken)
    {
        bool exists = entry.Kind == BlockKind.Partial
            || (_hasParent && (await EntryAsync(_geometry.BitmapIndex(block), cancellationToken)).State == VhdxBlockState.FullyPresent);
        return exists
            ? new HostArea((await BitmapPlaceAsync(block - (block % _geometry.ChunkRatio), 0, cancellationToken)).PageOffset, BitmapBytes, HostUse.Metadata)
            : default;
    }

    public override async ValueTask MoveAsync(long block, long place, CancellationToken cancellationToken)
    {
        long index = _geometry.BlockIndex(block);
        await SetAsync(index, new VhdxBatEntry((await EntryAsync(index, cancellationToken)).State, place), cancellationToken);
    }

    /// <remarks>The log is emptied first: its entries tell how long the file was, and shall not find it shorter.</remarks>
    public override async ValueTask TruncateAsync(long end, CancellationToken cancellationToken)
    {
        long length = (end + VhdxLimits.Alignment - 1) & -(long)VhdxLimits.Alignment;
        if (length < File.Length)
        {
            await log.CloseAsync(cancellationToken);
            await File.SetLengthAsync(length, cancellationToken);
            await File.FlushAsync(cancellationToken);
        }
    }

    private async ValueTask EnsureBitmapAsync(long block, CancellationToken cancellationToken)
    {
        long index = _geometry.BitmapIndex(block);
        if ((await EntryAsync(index, cancellationToken)).State == VhdxBlockState.NotPresent)
        {
            long place = await GrowAsync(BitmapBytes, cancellationToken);
            await SetAsync(index, new VhdxBatEntry(VhdxBlockState.FullyPresent, place), cancellationToken);
        }
    }

    private async ValueTask FillBitmapAsync(long block, SectorRange range, bool value, CancellationToken cancellationToken)
    {
        while (range.Count > 0)
        {
            (long offset, int bit) = await BitmapPlaceAsync(block, range.First, cancellationToken);
            int count = Math.Min(range.Count, (PageSize * 8) - bit);
            TablePage page = await Cache.GetForChangeAsync(offset, TableKind.SectorBitmap, cancellationToken);
            lock (page.Sync)
            {
                s_bits.Fill(page.Change(), bit, count, value);
            }

            range = new SectorRange(range.First + count, range.Count - count);
        }
    }

    /// <summary>The page of the sector bitmap, and the bit in it, that speak of a sector of the block.</summary>
    private async ValueTask<(long PageOffset, int Bit)> BitmapPlaceAsync(long block, int sector, CancellationToken cancellationToken)
    {
        VhdxBatEntry entry = await EntryAsync(_geometry.BitmapIndex(block), cancellationToken);
        if (entry.State != VhdxBlockState.FullyPresent)
        {
            throw Invalid($"Block {block} is there in part, but its sector bitmap has the state {(int)entry.State}; it must be present (6).");
        }

        CheckPlace(entry.Offset, BitmapBytes, $"the sector bitmap of block {block}");
        long bit = ((block % _geometry.ChunkRatio) * _geometry.SectorsPerBlock) + sector;
        long page = bit / (PageSize * 8);
        return ((long)entry.Offset + (page * PageSize), (int)(bit % (PageSize * 8)));
    }

    private void LeavePlace(VhdxBatEntry old)
    {
        if (old.State is VhdxBlockState.FullyPresent or VhdxBlockState.PartiallyPresent)
        {
            Space.Add((long)old.Offset);
        }
    }

    public async ValueTask<VhdxBatEntry> EntryAsync(long index, CancellationToken cancellationToken)
    {
        TablePage page = await PageAsync(index, cancellationToken);
        lock (page.Sync)
        {
            return new VhdxBatEntry(Read(page, InPage(index)));
        }
    }

    public async ValueTask SetAsync(long index, VhdxBatEntry entry, CancellationToken cancellationToken)
    {
        TablePage page = await Cache.GetForChangeAsync(PageOffset(index), TableKind.Blocks, cancellationToken);
        lock (page.Sync)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(page.Change()[InPage(index)..], entry.Value);
        }
    }

    public override async ValueTask<long> ForgetEntriesAsync(long index, long most, CancellationToken cancellationToken)
    {
        int count = (int)Math.Min(most, EntriesPerPage - (index % EntriesPerPage));
        TablePage page = await PageAsync(index, cancellationToken);
        bool clean;
        lock (page.Sync)
        {
            clean = page.Bytes.Slice(InPage(index), count * sizeof(ulong)).IndexOfAnyExcept((byte)0) < 0;
        }

        if (!clean)
        {
            page = await Cache.GetForChangeAsync(PageOffset(index), TableKind.Blocks, cancellationToken);
            lock (page.Sync)
            {
                page.Change().Slice(InPage(index), count * sizeof(ulong)).Clear();
            }
        }

        return count;
    }

    private ValueTask<TablePage> PageAsync(long index, CancellationToken cancellationToken) =>
        Cache.GetAsync(PageOffset(index), TableKind.Blocks, cancellationToken);

    private long PageOffset(long index) => Bat.Offset + (index / EntriesPerPage * PageSize);

    private static int InPage(long index) => (int)(index % EntriesPerPage) * sizeof(ulong);

    private static ulong Read(TablePage page, int at) => BinaryPrimitives.ReadUInt64LittleEndian(page.Bytes[at..]);

    private void CheckPlace(ulong offset, int bytes, string what)
    {
        bool inFile = offset >= VhdxLimits.Alignment && offset <= (ulong)File.Length && (ulong)bytes <= (ulong)File.Length - offset;
        if (!inFile || IsTaken((long)offset, bytes))
        {
            throw Invalid($"The table places {what} at offset {offset}, outside of the file of {File.Length} bytes or over its other structures.");
        }
    }

    private bool IsTaken(long offset, int bytes)
    {
        bool taken = offset < (long)_header.LogOffset + _header.LogBytes && (long)_header.LogOffset < offset + bytes;
        for (int i = 0; i < Regions.Count; i++)
        {
            taken |= Regions[i].Overlaps(offset, bytes);
        }

        return taken;
    }

    private static InvalidImageException Invalid(string message) => new(ErrorIds.VhdxBatEntryInvalid, message);
}
