using System.Runtime.CompilerServices;
using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Images.Qcow;

/// <summary>A qcow image of version 1, read-only: for getting data out of images of the years before 2008.</summary>
/// <remarks>What the header names (backing file, cipher) is attached by the caller before the first access; the image owns it, and the file.</remarks>
public sealed class QcowImage : IBlockDevice, IHostMapped
{
    private const int Sector = 512;

    private readonly IBlockDevice _file;
    private readonly HostArea _backingName;
    private readonly QcowGeometry _geometry;
    private readonly PointerTable _l1;
    private readonly MetadataCache _tables;
    private readonly BackingLayer _backing;
    private SectorCipher? _cipher;

    private QcowImage(IBlockDevice file, QcowHeader header, QcowGeometry geometry, PointerTable l1, string? backingPath)
    {
        _file = file;
        _backingName = new HostArea((long)header.BackingNameOffset, backingPath is null ? 0 : header.BackingNameBytes, HostUse.Metadata);
        _geometry = geometry;
        _l1 = l1;
        _tables = new MetadataCache(file, geometry.L2TableBytes, 64 * geometry.L2TableBytes);
        _backing = new BackingLayer(backingPath);
        Backing = backingPath is null ? null : new Qcow2Backing(backingPath, Format: null);
        Length = (long)header.VirtualSize;
        IsEncrypted = header.CryptMethod != 0;
    }

    /// <summary>Opens the image in <paramref name="file"/>, which it owns from then on (not if this throws).</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.QcowHeaderInvalid"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.QcowCryptMethodUnsupported"/>.</exception>
    public static async ValueTask<QcowImage> OpenAsync(IBlockDevice file, CancellationToken cancellationToken)
    {
        byte[] start = new byte[(int)Math.Min(QcowHeader.Size, file.Length)];
        await file.ReadAsync(0, start, cancellationToken);
        QcowHeader header = QcowHeader.Parse(start);
        QcowGeometry geometry = QcowValidator.Check(header, file.Length);
        string? backingPath = null;
        if (header.BackingNameOffset != 0)
        {
            byte[] name = new byte[header.BackingNameBytes];
            await file.ReadAsync((long)header.BackingNameOffset, name, cancellationToken);
            backingPath = Encoding.UTF8.GetString(name);
        }

        PointerTable l1 = await PointerTable.ReadAsync(
            file, (long)header.L1Offset, (int)geometry.L1EntriesFor((long)header.VirtualSize), cancellationToken);
        return new QcowImage(file, header, geometry, l1, backingPath);
    }

    /// <summary>The backing file that the header names (the format never is); null if the image stands alone.</summary>
    public Qcow2Backing? Backing { get; }

    /// <summary>Whether a cipher (aes-cbc-plain64 under the legacy key) must be attached.</summary>
    public bool IsEncrypted { get; }

    public long Length { get; }

    public BlockTraits Traits { get; private set; } = new() { CanWrite = false };

    /// <summary>What shows through where this layer has nothing; takes it.</summary>
    public void AttachBacking(IBlockDevice backing) => _backing.Attach(backing);

    /// <summary>The cipher of the legacy AES key; takes it.</summary>
    public void AttachCipher(SectorCipher cipher)
    {
        _cipher = cipher;
        Traits = Traits with { RequiredAlignment = cipher.SectorSize };
    }

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.QcowTableInvalid"/>.</exception>
    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, buffer.Length);
        BlockGuard.Aligned(this, offset, buffer.Length);
        while (!buffer.IsEmpty)
        {
            int inCluster = (int)(offset & (_geometry.ClusterSize - 1));
            Memory<byte> part = buffer[..Math.Min(buffer.Length, _geometry.ClusterSize - inCluster)];
            ulong entry = await EntryAsync(offset, cancellationToken);
            if (entry == 0)
            {
                await _backing.ReadAsync(offset, part, cancellationToken);
            }
            else if (QcowGeometry.IsCompressed(entry))
            {
                await ReadCompressedAsync(entry, inCluster, part, cancellationToken);
            }
            else
            {
                await ReadPlaceAsync(offset, (long)entry + inCluster, part, cancellationToken);
            }

            offset += part.Length;
            buffer = buffer[part.Length..];
        }
    }

    async ValueTask<HostMap> IHostMapped.MapHostAsync(CancellationToken cancellationToken)
    {
        List<HostArea> areas = [new(0, QcowHeader.Size, HostUse.Metadata), _backingName, new(_l1.Offset, _l1.Count * sizeof(ulong), HostUse.Metadata)];
        var tables = new SortedSet<long>();
        var defects = new HostDefects();
        for (long guest = 0; guest < Length && !defects.IsFull; guest += _geometry.L2Coverage)
        {
            try
            {
                await MapTableAsync(guest, tables, areas, cancellationToken);
            }
            catch (InvalidImageException defect)
            {
                defects.Add(defect.Message);
            }
        }

        return new HostMap(HostAreas.Join(HostAreas.Complete(areas, _file.Length)), defects.Sentences);
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) => Refuse();

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) => Refuse();

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) => Refuse();

    public ValueTask FlushAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public async IAsyncEnumerable<Extent> ExtentsAsync(
        long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, count);
        for (long end = offset + count; offset < end;)
        {
            // Without an L2 table, all that it would map is alike.
            long unit = _l1[_geometry.L1Index(offset)] == 0 ? _geometry.L2Coverage : _geometry.ClusterSize;
            long next = Math.Min(end, (offset | (unit - 1)) + 1);
            long shown = Math.Clamp(_backing.Length, offset, next) - offset;
            if (await EntryAsync(offset, cancellationToken) != 0)
            {
                yield return new Extent(offset, next - offset, ExtentKind.Data);
            }
            else
            {
                await foreach (Extent extent in _backing.ExtentsAsync(offset, shown, cancellationToken))
                {
                    yield return extent;
                }

                if (offset + shown < next)
                {
                    yield return new Extent(offset + shown, next - offset - shown, ExtentKind.Hole);
                }
            }

            offset = next;
        }
    }

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => Refuse();

    public async ValueTask DisposeAsync()
    {
        _cipher?.Dispose();
        await _backing.DisposeAsync();
        await _file.DisposeAsync();
    }

    private async ValueTask<ulong> EntryAsync(long offset, CancellationToken cancellationToken)
    {
        ulong table = _l1[_geometry.L1Index(offset)];
        if (table == 0)
        {
            return 0;
        }

        if (table > (ulong)Math.Max(0, _file.Length - _geometry.L2TableBytes))
        {
            throw new InvalidImageException(ErrorIds.QcowTableInvalid,
                $"The L2 table of guest offset {offset} should be at offset {table}, outside of the file of {_file.Length} bytes.");
        }

        TablePage page = await _tables.GetAsync((long)table, TableKind.L2, cancellationToken);
        return page.Entry(_geometry.L2Index(offset) * sizeof(ulong));
    }

    private async ValueTask MapTableAsync(long guest, SortedSet<long> tables, List<HostArea> areas, CancellationToken cancellationToken)
    {
        long table = (long)_l1[_geometry.L1Index(guest)];
        if (table == 0)
        {
            return;
        }

        // Refused unless it lies in the file; and only once, or a file of megabytes has more entries than there is memory for.
        _ = await EntryAsync(guest, cancellationToken);
        if (tables.GetViewBetween(table - _geometry.L2TableBytes + 1, table + _geometry.L2TableBytes - 1).Count > 0)
        {
            throw new InvalidImageException(ErrorIds.QcowTableInvalid, $"The L2 table of guest offset {guest} at offset {table} overlaps another one.");
        }

        tables.Add(table);
        for (long end = Math.Min(Length, guest + _geometry.L2Coverage); guest < end; guest += _geometry.ClusterSize)
        {
            ulong entry = await EntryAsync(guest, cancellationToken);
            (long offset, int packed) = _geometry.CompressedPlace(entry);
            if (entry != 0)
            {
                areas.Add(QcowGeometry.IsCompressed(entry)
                    ? new HostArea(offset, packed, HostUse.Compressed, guest)
                    : new HostArea((long)entry, _geometry.ClusterSize, HostUse.Data, guest));
            }
        }

        areas.Add(new HostArea(table, _geometry.L2TableBytes, HostUse.Metadata));
    }

    private async ValueTask ReadPlaceAsync(long guest, long host, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (host < 0 || host >= _file.Length)
        {
            throw new InvalidImageException(ErrorIds.QcowTableInvalid,
                $"The disk's bytes from {guest} on should be at offset {host}, outside of the file of {_file.Length} bytes.");
        }

        // The last cluster of a file may be cut short.
        int present = (int)Math.Min(buffer.Length, _file.Length - host);
        await _file.ReadAsync(host, buffer[..present], cancellationToken);
        buffer[present..].Span.Clear();
        if (IsEncrypted)
        {
            SectorCipher cipher = _cipher ?? throw new WrongKeyException(ErrorIds.ImageLocked, "The image is encrypted and was not unlocked.");
            cipher.Decrypt((ulong)guest / Sector, buffer.Span, buffer.Span);
        }
    }

    private async ValueTask ReadCompressedAsync(ulong entry, int inCluster, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        (long offset, int length) = _geometry.CompressedPlace(entry);
        byte[] cluster = new byte[_geometry.ClusterSize];
        bool inFile = offset <= _file.Length && length <= _file.Length - offset;
        byte[] packed = new byte[inFile ? length : 0];
        await _file.ReadAsync(inFile ? offset : 0, packed, cancellationToken);
        if (!RawDeflate.TryUnpack(packed, packed.Length, cluster))
        {
            throw new InvalidImageException(ErrorIds.QcowTableInvalid,
                $"The compressed cluster of {length} bytes at offset {offset} is damaged or not in the file.");
        }

        cluster.AsSpan(inCluster, buffer.Length).CopyTo(buffer.Span);
    }

    private ValueTask Refuse()
    {
        BlockGuard.Writable(this);
        return ValueTask.CompletedTask;
    }
}
