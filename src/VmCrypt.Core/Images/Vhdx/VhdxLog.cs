using VmCrypt.Core.Block;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Images.Vhdx;

/// <summary>Changes sectors of the tables through the log, so that each commit is there after a crash, or is not.</summary>
/// <remarks>
/// Steps of a commit, and what a crash after each leaves:
/// <list type="number">
/// <item>data are flushed. The tables as they were.</item>
/// <item>the entry is written to the log, behind those before it, and flushed. The tables as they will be, once the log is replayed.</item>
/// <item>its sectors are written to their places; not flushed, the log still has them. Likewise.</item>
/// </list>
/// Entries stand one behind the other from the start of the log and never wrap; each names that start as its tail, so all are
/// replayed. When one no longer fits, or at closing: all places are flushed, then the headers say that the log is empty. The next
/// entry goes to the start of the log under a new GUID, before the headers name that GUID: entries of before have lost their meaning,
/// even for readers (QEMU) that take any older entry behind the last one for its successor.
/// </remarks>
internal sealed class VhdxLog(IBlockDevice file, VhdxHeaderPair headers) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1, 1);
    private Guid _cycle;
    private int _head;
    private ulong _sequence;

    /// <summary>Flushes what was written, then commits the sectors, in as few entries as possible: of several, the first sectors come first.</summary>
    public async ValueTask CommitAsync(IReadOnlyList<MetadataWrite> sectors, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            // The file may grow meanwhile; only what it has now is sure to be on disk.
            long flushed = file.Length;
            await file.FlushAsync(cancellationToken);
            foreach (MetadataWrite[] batch in sectors.Chunk(VhdxLogEntry.MaxChanges))
            {
                await WriteEntryAsync(batch, flushed, cancellationToken);
                await MetadataWrite.WriteAllAsync(file, [.. batch], cancellationToken);
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Leaves an empty log.</summary>
    public async ValueTask CloseAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            await EndCycleAsync(cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();

    private async ValueTask WriteEntryAsync(MetadataWrite[] batch, long flushed, CancellationToken cancellationToken)
    {
        int length = VhdxLogEntry.LengthOf(batch.Length);
        if (_head + (long)length > headers.Current.LogBytes)
        {
            await EndCycleAsync(cancellationToken);
        }

        bool first = _cycle == Guid.Empty;
        Guid cycle = first ? Guid.NewGuid() : _cycle;
        var entry = new VhdxLogEntry
        {
            Length = length,
            Tail = 0,
            SequenceNumber = _sequence + 1,
            LogGuid = cycle,
            FlushedFileOffset = (ulong)flushed,
            LastFileOffset = (ulong)flushed,
            Changes = [.. batch.Select(sector => new VhdxLogChange((ulong)sector.Offset, VhdxLimits.Sector, sector.Bytes))],
        };
        await file.WriteAsync((long)headers.Current.LogOffset + _head, entry.Encode(), cancellationToken);
        await file.FlushAsync(cancellationToken);
        if (first)
        {
            await headers.UpdateAsync(header => header with { LogGuid = cycle }, cancellationToken);
        }

        _cycle = cycle;
        _head += length;
        _sequence++;
    }

    private async ValueTask EndCycleAsync(CancellationToken cancellationToken)
    {
        if (_cycle != Guid.Empty)
        {
            await file.FlushAsync(cancellationToken);
            await headers.UpdateAsync(header => header with { LogGuid = Guid.Empty }, cancellationToken);
            _cycle = Guid.Empty;
            _head = 0;
        }
    }
}
