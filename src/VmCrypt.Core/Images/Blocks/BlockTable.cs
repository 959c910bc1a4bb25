using VmCrypt.Core.Block;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Images.Blocks;

/// <summary>The tables of a disk that is cut into large blocks, each with a place in the file or none: what VHDX and VHD share.</summary>
/// <remarks>
/// Finding is free to all. Whatever changes tables is called under <see cref="Lock"/>, and changes them in memory only:
/// <see cref="BlockFlusher"/> brings them to disk. Who uses a place that was found does so within a visit of <see cref="Grace"/>.
/// </remarks>
internal abstract class BlockTable(IBlockDevice file, long diskSize, int blockSize, int sectorSize, int pageSize, int cacheBytes) : IDisposable
{
    private long _diskSize = diskSize;

    public IBlockDevice File => file;

    /// <summary>Bytes, a power of two.</summary>
    public int BlockSize => blockSize;

    /// <summary>Bytes of the sectors that a partial block is made of.</summary>
    public int SectorSize => sectorSize;

    /// <summary>Bytes of the disk; set by the resizer.</summary>
    public long DiskSize
    {
        get => Volatile.Read(ref _diskSize);
        set => Volatile.Write(ref _diskSize, value);
    }

    /// <summary>Blocks never lose their places: the disk is of the fixed kind.</summary>
    public abstract bool KeepsBlocks { get; }

    /// <summary>What says that all of a block is zero; null where the format cannot.</summary>
    public abstract BlockKind? Zeroed { get; }

    /// <summary>What says that nobody needs a block's content any more; null where the format cannot without showing the parent's.</summary>
    public abstract BlockKind? Trimmed { get; }

    public MetadataCache Cache { get; } = new(file, pageSize, cacheBytes);

    public MetadataLock Lock { get; } = new();

    public GracePeriod Grace { get; } = new();

    public BlockSpace Space { get; } = new();

    public long BlockCount => (DiskSize / blockSize) + (DiskSize % blockSize == 0 ? 0 : 1);

    /// <summary>All of the file that is no block's: headers and tables. Without what stands at its very end.</summary>
    public abstract IEnumerable<HostArea> Structures { get; }

    /// <summary>Bytes at the end of the file that move with it.</summary>
    public virtual int EndBytes => 0;

    /// <summary>Bytes in front of a block's data that move with it.</summary>
    public virtual int LeadBytes => 0;

    /// <summary>What the place of a block's data must be a multiple of, in bytes.</summary>
    public abstract int PlaceAlignment { get; }

    /// <summary>What it had better be a multiple of.</summary>
    public virtual int GoodAlignment => PlaceAlignment;

    /// <summary>Bytes of the block that the disk has: all, save in the last one.</summary>
    public int UsedBytes(long block) => (int)Math.Min(blockSize, DiskSize - (block * blockSize));

    public abstract ValueTask<BlockEntry> FindAsync(long block, CancellationToken cancellationToken);

    /// <summary>How many blocks from this one on are absent (or zero) as it is, 1 to <paramref name="most"/>; may stop early.</summary>
    public abstract ValueTask<long> CountAlikeAsync(long block, long most, CancellationToken cancellationToken);

    /// <summary>The sectors of a partial block from <paramref name="range"/>'s first on that are alike; may stop early.</summary>
    public abstract ValueTask<SectorRun> FindSectorsAsync(long block, BlockEntry entry, SectorRange range, CancellationToken cancellationToken);

    /// <summary>Gives the block a place whose bytes are written; only the sectors of <paramref name="present"/> count, or all if it is null.</summary>
    public abstract ValueTask StoreAsync(long block, long place, SectorRange? present, CancellationToken cancellationToken);

    /// <summary>Adds written sectors of a partial block, if it still has that place.</summary>
    public abstract ValueTask MarkAsync(long block, long place, SectorRange present, CancellationToken cancellationToken);

    /// <summary>Takes the block's place away; what it says then is <see cref="Zeroed"/> or <see cref="Trimmed"/>.</summary>
    public abstract ValueTask EmptyAsync(long block, BlockKind kind, CancellationToken cancellationToken);

    /// <summary>Entries of the table of a disk of that size.</summary>
    public abstract long EntriesFor(long diskSize);

    /// <summary>Empties entries that do not count yet; answers how many it has looked at, 1 to <paramref name="most"/>.</summary>
    public abstract ValueTask<long> ForgetEntriesAsync(long index, long most, CancellationToken cancellationToken);

    /// <summary>Where the bitmap stands that speaks of a block, if it has a place of its own, and be it that no block needs it now; empty where there is none.</summary>
    public virtual ValueTask<HostArea> BitmapOfAsync(long block, BlockEntry entry, CancellationToken cancellationToken) => default;

    /// <summary>Says that a stored block, with its bitmap if that stands in front of it, has been copied to another place; the old one is nobody's then.</summary>
    public abstract ValueTask MoveAsync(long block, long place, CancellationToken cancellationToken);

    /// <summary>Cuts the file off behind <paramref name="end"/>; nothing on disk refers to what is lost.</summary>
    public abstract ValueTask TruncateAsync(long end, CancellationToken cancellationToken);

    /// <summary>Makes the file longer by a block and returns its place, which reads as zeros.</summary>
    public abstract ValueTask<long> GrowAsync(CancellationToken cancellationToken);

    /// <summary>Flushes the data that were written before, then brings table pages to disk, safe against a crash after any write.</summary>
    public abstract ValueTask PersistAsync(List<(TablePage Page, MetadataWrite Write)> pages, CancellationToken cancellationToken);

    /// <summary>Gives out none of what is unused now: somebody else has a use for it. Who wants a place gets it behind the end of the file.</summary>
    public virtual void ForgetFree() => Space.Forget();

    /// <summary>Makes a place that nobody uses read as zeros.</summary>
    public virtual async ValueTask ClearAsync(long place, CancellationToken cancellationToken)
    {
        // The last block of a disk need not be there in full.
        if (file.Length < place + blockSize && file.Traits.CanResize)
        {
            await file.SetLengthAsync(place + blockSize, cancellationToken);
        }

        await file.ZeroAsync(place, Math.Min(blockSize, file.Length - place), ZeroFlags.None, cancellationToken);
    }

    public void Dispose() => Lock.Dispose();
}
