using System.Buffers;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Writes guest data: in place where the disk owns the cluster, else into new clusters that are mapped once they are filled.</summary>
/// <remarks>
/// Order of locks: relief of the cache, guest range, visit, metadata lock. The metadata lock is never held while guest data moves.
/// Writers in place do not exclude each other; whoever changes the mapping of a cluster holds its guest range, so that two
/// who each write a part of a new cluster keep each other's bytes.
/// </remarks>
internal sealed class ClusterWriter(
    ImageTables tables, GuestReader reader, ClusterData data, ClusterAllocator allocator, L2Editor editor, TableFlusher flusher, GuestRangeLock ranges)
{
    private readonly Qcow2Geometry _geometry = tables.Geometry;
    private readonly ClusterMap _map = reader.Map;

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        while (!buffer.IsEmpty)
        {
            int done = await WriteInPlaceAsync(offset, buffer, cancellationToken);
            offset += done;
            buffer = buffer[done..];
            if (!buffer.IsEmpty)
            {
                int step = (int)Math.Min(buffer.Length, _map.PageEnd(offset) - offset);
                await WriteMappingAsync(offset, buffer[..step], cancellationToken);
                offset += step;
                buffer = buffer[step..];
            }
        }
    }

    /// <summary>Writes for as long as no table needs to change, and tells how far that was.</summary>
    private async ValueTask<int> WriteInPlaceAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        using GracePeriod.Visit visit = tables.Grace.Enter();
        int done = 0;
        while (done < buffer.Length)
        {
            GuestRun run = await _map.FindAsync(offset + done, buffer.Length - done, cancellationToken);
            if (!run.IsWritableInPlace)
            {
                break;
            }

            await WriteDataAsync(run.HostOffset, buffer.Slice(done, (int)run.Length), cancellationToken);
            done += (int)run.Length;
        }

        return done;
    }

    /// <summary>Writes a range whose entries share a page, changing the mapping where it must.</summary>
    private async ValueTask WriteMappingAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        await flusher.RelieveAsync(cancellationToken);
        using GuestRangeLock.Hold hold = await ranges.EnterAsync(
            _geometry.ClusterIndex(offset), _geometry.ClusterIndex(offset + buffer.Length - 1), cancellationToken);
        using GracePeriod.Visit visit = tables.Grace.Enter();
        while (!buffer.IsEmpty)
        {
            GuestRun run = await _map.FindAsync(offset, buffer.Length, cancellationToken);
            int done = (int)run.Length;
            if (run.IsWritableInPlace)
            {
                await WriteDataAsync(run.HostOffset, buffer[..done], cancellationToken);
            }
            else if (run.IsReserved || tables.HasExternalData)
            {
                await FillAsync(offset, tables.HasExternalData ? offset : run.HostOffset, buffer[..done], cancellationToken);
            }
            else if (_geometry.InCluster(offset) == 0 && done >= _geometry.ClusterSize)
            {
                done = await MapClustersAsync(offset, buffer[..(done & -_geometry.ClusterSize)], cancellationToken);
            }
            else
            {
                done = Math.Min(buffer.Length, _geometry.ClusterSize - _geometry.InCluster(offset));
                await MapPartAsync(offset, run.Entry, buffer[..done], cancellationToken);
            }

            offset += done;
            buffer = buffer[done..];
        }
    }

    /// <summary>Writes whole clusters to a new place, as many as lie together there.</summary>
    private async ValueTask<int> MapClustersAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        HostRun run = await AllocateAsync(buffer.Length >> _geometry.ClusterBits, cancellationToken);
        long host = run.First << _geometry.ClusterBits;
        int length = run.Count << _geometry.ClusterBits;
        try
        {
            await data.WriteAsync(host, buffer[..length], cancellationToken);
            await MapAsync(offset, run.Count, (guest, _) => L2Entry.Data(_geometry, host + (guest - offset)), cancellationToken);
        }
        catch
        {
            await GiveBackAsync(run);
            throw;
        }

        return length;
    }

    /// <summary>Writes a part of one cluster to a new place, where what the disk has in the rest of the cluster goes as well.</summary>
    private async ValueTask MapPartAsync(long offset, L2Entry old, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        int start = _geometry.InCluster(offset);
        int first = start / _geometry.SubclusterSize;
        int end = ((start + buffer.Length - 1) / _geometry.SubclusterSize) + 1;
        bool Goes(int unit) => (unit >= first && unit < end)
            || old.KindOf(_geometry, unit) is Qcow2MappingKind.Data or Qcow2MappingKind.Compressed;

        HostRun run = await AllocateAsync(1, cancellationToken);
        long host = run.First << _geometry.ClusterBits;
        try
        {
            int units = _geometry.ClusterSize / _geometry.SubclusterSize;
            for (int unit = 0, next; unit < units; unit = next)
            {
                next = unit + 1;
                while (next < units && Goes(next) == Goes(unit))
                {
                    next++;
                }

                if (Goes(unit))
                {
                    int at = unit * _geometry.SubclusterSize;
                    int size = (next - unit) * _geometry.SubclusterSize;
                    await WritePaddedAsync(offset, buffer, _geometry.ClusterStart(offset) + at, size, host + at, cancellationToken);
                }
            }

            await MapAsync(_geometry.ClusterStart(offset), 1, (_, entry) => entry.IsCompressed
                ? L2Entry.Data(_geometry, host)
                : entry.WithData(_geometry, host, first, end - first), cancellationToken);
        }
        catch
        {
            await GiveBackAsync(run);
            throw;
        }
    }

    /// <summary>Writes into reserved places, whole subclusters at a time, and marks them as data.</summary>
    private async ValueTask FillAsync(long offset, long host, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        int unit = _geometry.SubclusterSize;
        long end = offset + buffer.Length;
        long wholeStart = Math.Min(end, (offset + unit - 1) & -(long)unit);
        long wholeEnd = Math.Max(wholeStart, end & -(long)unit);
        if (offset < wholeStart)
        {
            long start = offset & -(long)unit;
            await WritePaddedAsync(offset, buffer[..(int)(wholeStart - offset)], start, unit, host - (offset - start), cancellationToken);
        }

        if (wholeStart < wholeEnd)
        {
            await WriteDataAsync(host + (wholeStart - offset),
                buffer[(int)(wholeStart - offset)..(int)(wholeEnd - offset)], cancellationToken);
        }

        if (wholeEnd < end)
        {
            await WritePaddedAsync(wholeEnd, buffer[(int)(wholeEnd - offset)..], wholeEnd, unit, host + (wholeEnd - offset), cancellationToken);
        }

        long first = _geometry.ClusterStart(offset);
        await MapAsync(first, (int)_geometry.ClusterCount(end - first), (cluster, entry) =>
        {
            int from = (int)(Math.Max(offset, cluster) - cluster) / unit;
            int to = (int)(Math.Min(end, cluster + _geometry.ClusterSize) - cluster - 1) / unit;
            return entry.WithData(_geometry, tables.HasExternalData ? cluster : entry.HostOffset, from, to - from + 1);
        }, cancellationToken);
    }

    /// <summary>Writes [start, start + size): of <paramref name="buffer"/> what lies in there, around it what the disk showed so far.</summary>
    /// <param name="offset">Guest offset of the buffer.</param>
    /// <param name="start">Guest offset of the piece, whole subclusters.</param>
    /// <param name="host">Place of the piece.</param>
    private async ValueTask WritePaddedAsync(
        long offset, ReadOnlyMemory<byte> buffer, long start, int size, long host, CancellationToken cancellationToken)
    {
        int from = (int)Math.Clamp(offset - start, 0, size);
        int to = (int)Math.Clamp(offset + buffer.Length - start, from, size);
        byte[] piece = ArrayPool<byte>.Shared.Rent(size);
        try
        {
            await ReadOldAsync(start, piece.AsMemory(0, from), cancellationToken);
            if (to > from)
            {
                buffer.Slice((int)(start + from - offset), to - from).CopyTo(piece.AsMemory(from));
            }

            await ReadOldAsync(start + to, piece.AsMemory(to, size - to), cancellationToken);
            await WriteDataAsync(host, piece.AsMemory(0, size), cancellationToken);
        }
        finally
        {
            // The guest's plain text.
            ArrayPool<byte>.Shared.Return(piece, clearArray: data.IsEncrypted);
        }
    }

    /// <summary>What the disk shows; beyond its end, zeros.</summary>
    private async ValueTask ReadOldAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int inside = (int)Math.Clamp(tables.VirtualSize - offset, 0, buffer.Length);
        await reader.ReadAsync(offset, buffer[..inside], cancellationToken);
        buffer[inside..].Span.Clear();
    }

    private ValueTask WriteDataAsync(long host, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        if (tables.HasExternalData)
        {
            // The file is as long as the disk, which may end inside of a cluster.
            buffer = buffer[..(int)Math.Clamp(data.Device.Length - host, 0, buffer.Length)];
        }
        else
        {
            tables.FixedAreas.CheckFree(host, buffer.Length);
        }

        return data.WriteAsync(host, buffer, cancellationToken);
    }

    private async ValueTask<HostRun> AllocateAsync(int max, CancellationToken cancellationToken)
    {
        using (await tables.Lock.EnterAsync(cancellationToken))
        {
            return await allocator.AllocateAsync(max, cancellationToken);
        }
    }

    private async ValueTask GiveBackAsync(HostRun run)
    {
        using (await tables.Lock.EnterAsync(CancellationToken.None))
        {
            await allocator.GiveBackAsync(run);
        }
    }

    private async ValueTask MapAsync(long offset, int count, Func<long, L2Entry, L2Entry> change, CancellationToken cancellationToken)
    {
        using (await tables.Lock.EnterAsync(cancellationToken))
        {
            await editor.ChangeAsync(offset, count, change, cancellationToken);
        }
    }
}
