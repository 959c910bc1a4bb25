using System.Buffers.Binary;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Blocks;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Images.Vhd;

/// <summary>The block allocation table and the bitmaps, each of which stands in front of its block.</summary>
/// <remarks>
/// The format has no log. What makes a crash harmless is the order: data, then bitmaps, then table entries, each flushed before the next.
/// New blocks stand at multiples of 4096 bytes with their data, not with their bitmaps.
/// </remarks>
internal sealed class VhdTable : BlockTable
{
    private const int PageSize = VhdLimits.Sector;
    private const int EntriesPerPage = PageSize / sizeof(uint);
    private const int DataAlignment = 4096;

    private static readonly SectorBits s_bits = new(HighestFirst: true);

    private readonly VhdFooters _footers;
    private readonly long _header;
    private readonly long _endOfHeaders;
    private readonly bool _hasParent;
    private readonly int _bitmapBytes;
    private long _end = -1;

    public VhdTable(IBlockDevice file, VhdLayout layout, VhdFooters footers, int cacheBytes)
        : base(file, (long)layout.Footer.DiskSize, (int)layout.Header!.BlockSize, VhdLimits.Sector, PageSize, cacheBytes)
    {
        _footers = footers;
        _hasParent = layout.Parent is not null;
        _bitmapBytes = VhdLayout.BitmapBytes(BlockSize);
        _header = (long)layout.Footer.DataOffset;
        _endOfHeaders = layout.Header.ParentLocators.Where(locator => locator.Code != 0)
            .Select(locator => (long)Math.Min(locator.Offset, long.MaxValue / 2) + locator.Length).Append(_header + VhdHeader.Size).Max();
        Offset = (long)layout.Header.TableOffset;
        Entries = layout.Header.TableEntries;
    }

    /// <summary>Where the table starts in the file.</summary>
    public long Offset { get; private set; }

    /// <summary>Entries for which the table has room.</summary>
    public long Entries { get; private set; }

    public override bool KeepsBlocks => false;

    public override BlockKind? Zeroed => _hasParent ? null : BlockKind.Absent;

    public override BlockKind? Trimmed => Zeroed;

    public override async ValueTask<BlockEntry> FindAsync(long block, CancellationToken cancellationToken)
    {
        uint entry = await EntryAsync(block, cancellationToken);
        if (entry == VhdLimits.NoBlock)
        {
            return default;
        }

        CheckPlace(block, (long)entry * VhdLimits.Sector);
        return new BlockEntry(BlockKind.Partial, ((long)entry * VhdLimits.Sector) + _bitmapBytes);
    }

    public override async ValueTask<long> CountAlikeAsync(long block, long most, CancellationToken cancellationToken)
    {
        TablePage page = await Cache.GetAsync(PageOffset(block), TableKind.Blocks, cancellationToken);
        most = Math.Min(most, EntriesPerPage - (block % EntriesPerPage));
        lock (page.Sync)
        {
            int bytes = page.Bytes.Slice(InPage(block), (int)most * sizeof(uint)).IndexOfAnyExcept(byte.MaxValue);
            return bytes < 0 ? most : Math.Max(1, bytes / sizeof(uint));
        }
    }

    public override async ValueTask<SectorRun> FindSectorsAsync(long block, BlockEntry entry, SectorRange range, CancellationToken cancellationToken)
    {
        (long offset, int bit) = BitmapPlace(entry.Offset, range.First);
        TablePage page = await Cache.GetAsync(offset, TableKind.SectorBitmap, cancellationToken);
        lock (page.Sync)
        {
            return s_bits.Run(page.Bytes, bit, Math.Min(range.Count, (PageSize * 8) - bit));
        }
    }

    public override async ValueTask StoreAsync(long block, long place, SectorRange? present, CancellationToken cancellationToken)
    {
        // Other readers (QEMU) pass over bitmaps: without a parent, all sectors count, those that were not written as zeros.
        await FillBitmapAsync(place, present ?? new SectorRange(0, BlockSize / VhdLimits.Sector), cancellationToken);
        await SetAsync(block, (uint)((place - _bitmapBytes) / VhdLimits.Sector), cancellationToken);
    }

    public override async ValueTask MarkAsync(long block, long place, SectorRange present, CancellationToken cancellationToken)
    {
        if (((long)await EntryAsync(block, cancellationToken) * VhdLimits.Sector) + _bitmapBytes == place)
        {
            await FillBitmapAsync(place, present, cancellationToken);
        }
    }

    public override async ValueTask EmptyAsync(long block, BlockKind kind, CancellationToken cancellationToken)
    {
        // A survey that came later would take the place for the end of the file, and growth would give it out beside Space.
        await SurveyAsync(cancellationToken);
        uint old = await EntryAsync(block, cancellationToken);
        await SetAsync(block, VhdLimits.NoBlock, cancellationToken);
        if (old != VhdLimits.NoBlock)
        {
            Space.Add(((long)old * VhdLimits.Sector) + _bitmapBytes);
        }
    }

    public override long EntriesFor(long diskSize) => (diskSize + BlockSize - 1) / BlockSize;

    public override async ValueTask<long> ForgetEntriesAsync(long index, long most, CancellationToken cancellationToken)
    {
        int count = (int)Math.Min(most, EntriesPerPage - (index % EntriesPerPage));
        TablePage page = await Cache.GetForChangeAsync(PageOffset(index), TableKind.Blocks, cancellationToken);
        lock (page.Sync)
        {
            page.Change().Slice(InPage(index), count * sizeof(uint)).Fill(byte.MaxValue);
        }

        return count;
    }

    public override async ValueTask<long> GrowAsync(CancellationToken cancellationToken)
    {
        await SurveyAsync(cancellationToken);
        long place = ((_end + _bitmapBytes + DataAlignment - 1) & -DataAlignment) - _bitmapBytes;
        if ((place + _bitmapBytes + BlockSize) / VhdLimits.Sector >= VhdLimits.NoBlock)
        {
            throw new UnsupportedFeatureException(ErrorIds.VhdSizeInvalid, "The VHD file is at the end of what its table can name; compact or convert it.");
        }

        await AppendAsync(place + _bitmapBytes + BlockSize, cancellationToken);
        return place + _bitmapBytes;
    }

    /// <summary>Makes room for a longer table at the end and returns its place; it is all zeros.</summary>
    public async ValueTask<long> GrowForTableAsync(long bytes, CancellationToken cancellationToken)
    {
        await SurveyAsync(cancellationToken);
        long place = (_end + DataAlignment - 1) & -DataAlignment;
        await AppendAsync(place + bytes, cancellationToken);
        return place;
    }

    /// <summary>The resizer has moved the table.</summary>
    public void Moved(long offset, long entries)
    {
        Offset = offset;
        Entries = entries;
    }

    public override async ValueTask PersistAsync(List<(TablePage Page, MetadataWrite Write)> pages, CancellationToken cancellationToken)
    {
        await File.FlushAsync(cancellationToken);
        foreach (TableKind kind in new[] { TableKind.SectorBitmap, TableKind.Blocks })
        {
            List<MetadataWrite> writes = [.. pages.Where(page => page.Page.Kind == kind).Select(page => page.Write)];
            if (writes.Count > 0)
            {
                await MetadataWrite.WriteAllAsync(File, writes, cancellationToken);
                await File.FlushAsync(cancellationToken);
            }
        }
    }

    public override async ValueTask ClearAsync(long place, CancellationToken cancellationToken)
    {
        Cache.Forget(place - _bitmapBytes, _bitmapBytes);
        await File.ZeroAsync(place - _bitmapBytes, _bitmapBytes, ZeroFlags.None, cancellationToken);
        await File.ZeroAsync(place, BlockSize, ZeroFlags.None, cancellationToken);
    }

    public override void ForgetFree()
    {
        base.ForgetFree();
        _end = File.Length - EndBytes;
    }

    public override IEnumerable<HostArea> Structures =>
    [
        new HostArea(0, VhdFooter.Size, HostUse.Metadata),
        new HostArea(_header, _endOfHeaders - _header, HostUse.Metadata),
        new HostArea(Offset, ((Entries * sizeof(uint)) + PageSize - 1) & -PageSize, HostUse.Metadata),
    ];

    public override int EndBytes => VhdFooter.Size;

    public override int LeadBytes => _bitmapBytes;

    public override int PlaceAlignment => VhdLimits.Sector;

    public override int GoodAlignment => DataAlignment;

    public override async ValueTask MoveAsync(long block, long place, CancellationToken cancellationToken)
    {
        long old = ((long)await EntryAsync(block, cancellationToken)) * VhdLimits.Sector;
        await SetAsync(block, (uint)((place - _bitmapBytes) / VhdLimits.Sector), cancellationToken);
        Cache.Forget(old, _bitmapBytes);
        Cache.Forget(place - _bitmapBytes, _bitmapBytes);
    }

    /// <remarks>Crash: a footer stands where the file will end, before it ends there; and one at the start all the time.</remarks>
    public override async ValueTask TruncateAsync(long end, CancellationToken cancellationToken)
    {
        // The parent's names may be the last thing in the file, and end within a sector; the footer begins one.
        end = (end + VhdLimits.Sector - 1) & -VhdLimits.Sector;
        if (end + VhdFooter.Size < File.Length)
        {
            await _footers.WriteAtAsync(end, cancellationToken);
            await File.FlushAsync(cancellationToken);
            await File.SetLengthAsync(end + VhdFooter.Size, cancellationToken);
            await File.FlushAsync(cancellationToken);
        }

        _end = -1;
    }

    /// <summary>Finds the end of all that the file holds, once, by looking at every entry; before the first block loses its place.</summary>
    private async ValueTask SurveyAsync(CancellationToken cancellationToken)
    {
        if (_end >= 0)
        {
            return;
        }

        long end = Math.Max(_endOfHeaders, Offset + (Entries * sizeof(uint)));
        for (long block = 0; block < BlockCount;)
        {
            BlockEntry entry = await FindAsync(block, cancellationToken);
            end = Math.Max(end, entry.IsStored ? entry.Offset + BlockSize : 0);
            block += entry.IsStored ? 1 : await CountAlikeAsync(block, BlockCount - block, cancellationToken);
        }

        _end = end;
    }

    /// <summary>Makes [old end, new end) zeros, and ends the file with a footer behind it.</summary>
    /// <remarks>Crash: the copy of the footer at the start stands for one that is missing at the end.</remarks>
    private async ValueTask AppendAsync(long end, CancellationToken cancellationToken)
    {
        long length = File.Length;
        if (length < end + VhdFooter.Size)
        {
            if (!File.Traits.CanResize)
            {
                throw new UnsupportedFeatureException(ErrorIds.BlockStorageFixed, "The storage of the VHD file has a fixed size, so no block can be added to it.");
            }

            await File.SetLengthAsync(end + VhdFooter.Size, cancellationToken);
            await _footers.WriteEndAsync(cancellationToken);
        }

        // The old footer, and whatever a crash has left.
        long stale = Math.Min(length, end);
        if (_end < stale)
        {
            await File.ZeroAsync(_end, stale - _end, ZeroFlags.None, cancellationToken);
        }

        _end = end;
    }

    private async ValueTask FillBitmapAsync(long place, SectorRange range, CancellationToken cancellationToken)
    {
        while (range.Count > 0)
        {
            (long offset, int bit) = BitmapPlace(place, range.First);
            int count = Math.Min(range.Count, (PageSize * 8) - bit);
            TablePage page = await Cache.GetForChangeAsync(offset, TableKind.SectorBitmap, cancellationToken);
            lock (page.Sync)
            {
                s_bits.Fill(page.Change(), bit, count, value: true);
            }

            range = new SectorRange(range.First + count, range.Count - count);
        }
    }

    /// <summary>The page of the bitmap, and the bit in it, that speak of a sector of the block at this place.</summary>
    private (long PageOffset, int Bit) BitmapPlace(long place, int sector)
    {
        int page = sector / (PageSize * 8);
        return (place - _bitmapBytes + ((long)page * PageSize), sector % (PageSize * 8));
    }

    private async ValueTask<uint> EntryAsync(long block, CancellationToken cancellationToken)
    {
        TablePage page = await Cache.GetAsync(PageOffset(block), TableKind.Blocks, cancellationToken);
        lock (page.Sync)
        {
            return BinaryPrimitives.ReadUInt32BigEndian(page.Bytes[InPage(block)..]);
        }
    }

    private async ValueTask SetAsync(long block, uint entry, CancellationToken cancellationToken)
    {
        TablePage page = await Cache.GetForChangeAsync(PageOffset(block), TableKind.Blocks, cancellationToken);
        lock (page.Sync)
        {
            BinaryPrimitives.WriteUInt32BigEndian(page.Change()[InPage(block)..], entry);
        }
    }

    private long PageOffset(long index) => Offset + (index / EntriesPerPage * PageSize);

    private static int InPage(long index) => (int)(index % EntriesPerPage) * sizeof(uint);

    private void CheckPlace(long block, long offset)
    {
        long end = offset + _bitmapBytes + UsedBytes(block);
        bool taken = offset < VhdFooter.Size || (offset < _header + VhdHeader.Size && _header < end)
            || (offset < Offset + (Entries * sizeof(uint)) && Offset < end);
        if (taken || end > File.Length)
        {
            throw new InvalidImageException(ErrorIds.VhdTableEntryInvalid,
                $"The table places block {block} at offset {offset}, outside of the file of {File.Length} bytes or over its other structures.");
        }
    }
}
