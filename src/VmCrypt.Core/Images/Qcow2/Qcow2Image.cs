using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>A qcow2 image, versions 2 and 3: the disk that its guest sees.</summary>
/// <remarks>
/// Opening reads the header, the list of snapshots and the L1 table, and never writes. What the header names (backing file,
/// external data file, cipher) is attached by the caller before the first access; the image owns what was attached, and the file.
/// Without the cipher or the backing file, what needs neither works: a map, a resize, zeroing whole clusters.
/// With a cipher attached the disk is accessed in whole sectors (<see cref="BlockTraits.RequiredAlignment"/>).
/// </remarks>
public sealed class Qcow2Image : IBlockDevice, IHostMapped
{
    private readonly ImageTables _tables;
    private readonly SemaphoreSlim _starting = new(1, 1);
    private readonly ClusterData _data;
    private readonly BackingLayer _backing;
    private readonly GuestReader _reader;
    private WriteEngine? _engine;

    private Qcow2Image(IBlockDevice file, Qcow2Metadata metadata, PointerTable l1, Qcow2OpenOptions options)
    {
        Facts = metadata.ToFacts();
        Snapshots = metadata.Snapshots;
        _tables = new ImageTables(file, metadata, l1, options);
        _data = new ClusterData(file, Facts);
        _backing = new BackingLayer(Backing?.Path);
        _reader = ReaderOver(l1);
        Traits = new BlockTraits
        {
            CanWrite = options.Writable,
            CanResize = options.Writable && !_tables.HeaderStays,
            CanTrim = options.Writable,
            CanZeroFast = options.Writable && _tables.ZeroesFast,
            PreferredBlock = Math.Max(metadata.Geometry.SubclusterSize, 4096),
        };
    }

    /// <summary>Opens the image in <paramref name="file"/>, which it owns from then on (not if this throws).</summary>
    /// <exception cref="InvalidImageException">A rule of the format is broken; one id per rule.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.Qcow2VersionUnsupported"/>,
    /// <see cref="ErrorIds.Qcow2FeatureUnsupported"/>, <see cref="ErrorIds.Qcow2CryptMethodUnsupported"/>,
    /// <see cref="ErrorIds.Qcow2CompressionTypeUnsupported"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.Qcow2MarkedCorrupt"/>, <see cref="ErrorIds.Qcow2LegacyAesReadOnly"/>
    /// when it is to be written.</exception>
    public static async ValueTask<Qcow2Image> OpenAsync(IBlockDevice file, Qcow2OpenOptions options, CancellationToken cancellationToken)
    {
        Qcow2Metadata metadata = await Qcow2Metadata.ReadAsync(file, cancellationToken);
        if (options.Writable)
        {
            BlockGuard.Writable(file);
            CheckWritable(metadata.ToFacts());
        }

        PointerTable l1 = await PointerTable.ReadAsync(
            file, (long)metadata.Header.L1Offset, (int)metadata.Header.L1Entries, cancellationToken);
        return new Qcow2Image(file, metadata, l1, options);
    }

    public Qcow2Facts Facts { get; }

    /// <summary>The backing file that the header names; null if the image stands alone.</summary>
    public Qcow2Backing? Backing => Facts.Backing;

    public IReadOnlyList<Qcow2Snapshot> Snapshots { get; }

    /// <summary>Bytes. An encrypted disk consists of whole sectors.</summary>
    public long Length => _tables.VirtualSize & -Traits.RequiredAlignment;

    public BlockTraits Traits { get; private set; }

    /// <summary>The area of the LUKS header as a device of its own, which does not own the file; null if there is none.</summary>
    public IBlockDevice? OpenEncryptionHeader() => Facts.EncryptionHeader is { } area
        ? new EncryptionHeaderDevice(new SubDevice(_tables.File, area.Offset, area.Length, ownsInner: false), _tables)
        : null;

    /// <summary>What shows through where this layer has nothing; takes it. May be shorter or longer than this disk.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.ImageLayerUnexpected"/>.</exception>
    public void AttachBacking(IBlockDevice backing)
    {
        Expect(Backing is not null && !_backing.IsAttached, "backing file");
        _backing.Attach(backing);
    }

    /// <summary>The external data file; takes it.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.ImageLayerUnexpected"/>.</exception>
    public void AttachDataFile(IBlockDevice dataFile)
    {
        Expect(Facts.HasDataFile && !_data.HasDataFile, "external data file");
        _data.Attach(dataFile);
    }

    /// <summary>The cipher of the LUKS volume key (or of the legacy AES key, aes-cbc-plain64); takes it.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.ImageLayerUnexpected"/>.</exception>
    public void AttachCipher(SectorCipher cipher)
    {
        Expect(_data.IsEncrypted && !_data.HasCipher, "cipher");
        _data.Attach(cipher);
        Traits = Traits with { RequiredAlignment = cipher.SectorSize };
    }

    /// <summary>What has the guest's plain bytes at their places in the file, instead of the file and a cipher; takes it.</summary>
    internal void AttachClusters(IBlockDevice clusters)
    {
        _data.AttachClusters(clusters);
        Traits = Traits with { RequiredAlignment = clusters.Traits.RequiredAlignment };
    }

    /// <summary>The disk as it was when the snapshot was taken, read-only; to be disposed before the image, which it does not own.</summary>
    /// <param name="idOrName">The id; a name if no id matches.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.Qcow2SnapshotMissing"/>.</exception>
    public async ValueTask<IBlockDevice> OpenSnapshotAsync(string idOrName, CancellationToken cancellationToken)
    {
        Qcow2Snapshot snapshot = Snapshots.FirstOrDefault(candidate => candidate.Id == idOrName)
            ?? Snapshots.FirstOrDefault(candidate => candidate.Name == idOrName)
            ?? throw new MissingException(ErrorIds.Qcow2SnapshotMissing, $"The image has no internal snapshot with the id or name '{idOrName}'.");
        PointerTable l1 = await PointerTable.ReadAsync(_tables.File, snapshot.L1Offset, snapshot.L1Entries, cancellationToken);
        return new Qcow2SnapshotDevice(ReaderOver(l1), _tables.Grace, snapshot.DiskSize & -Traits.RequiredAlignment, Traits);
    }

    /// <summary>What this layer alone says about the range, with the places in its file. Needs nothing attached.</summary>
    public IAsyncEnumerable<Qcow2Mapping> MapAsync(long offset, long count, CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, count);
        return new ClusterMap(_tables, _tables.L1).ToMappingsAsync(offset, count, cancellationToken);
    }

    /// <summary>The external data file; null if there is none or it was not attached.</summary>
    internal IBlockDevice? DataFile => _data.DataFile;

    ValueTask<HostMap> IHostMapped.MapHostAsync(CancellationToken cancellationToken) =>
        Qcow2HostMap.ReadAsync(_tables.File, _data.DataFile, cancellationToken);

    /// <summary>The persistent bitmaps; none if the image has none or they are inconsistent as a whole.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2BitmapsInvalid"/>.</exception>
    public ValueTask<IReadOnlyList<Qcow2Bitmap>> ReadBitmapsAsync(CancellationToken cancellationToken) =>
        _tables.ReadBitmapsAsync(cancellationToken);

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, buffer.Length);
        BlockGuard.Aligned(this, offset, buffer.Length);
        using GracePeriod.Visit visit = _tables.Grace.Enter();
        await _reader.ReadAsync(offset, buffer, cancellationToken);
    }

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        CheckChange(offset, buffer.Length);
        await (await EngineAsync(cancellationToken)).Writer.WriteAsync(offset, buffer, cancellationToken);
    }

    public async ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        CheckChange(offset, count);
        await (await EngineAsync(cancellationToken)).Eraser.ZeroAsync(offset, count, flags, cancellationToken);
    }

    public async ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        CheckChange(offset, count);
        await (await EngineAsync(cancellationToken)).Eraser.TrimAsync(offset, count, cancellationToken);
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken) =>
        _engine?.Flusher.FlushAsync(cancellationToken) ?? ValueTask.CompletedTask;

    public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, count);
        return _reader.ExtentsAsync(offset, count, cancellationToken);
    }

    /// <summary>Grows or shrinks the disk; the size is a multiple of 512.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.Qcow2ResizeRefused"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.Qcow2TooLarge"/>.</exception>
    public async ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        BlockGuard.Resizable(this, length);
        await (await EngineAsync(cancellationToken)).Resizer.ResizeAsync(length, cancellationToken);
    }

    /// <summary>Takes clusters out of use that lie together, without anything that refers to them: who forgets them has leaked them.</summary>
    /// <returns>Their place in the file, which is as it was.</returns>
    internal async ValueTask<long> ReserveAsync(long bytes, CancellationToken cancellationToken)
    {
        WriteEngine engine = await EngineAsync(cancellationToken);
        using (await _tables.Lock.EnterAsync(cancellationToken))
        {
            HostRun run = await engine.Allocator.AllocateTogetherAsync((int)_tables.Geometry.ClusterCount(bytes), cancellationToken);
            return run.First << _tables.Geometry.ClusterBits;
        }
    }

    /// <summary>Makes the refcount table so large that the file can grow by so many bytes before it moves again.</summary>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.Qcow2TooLarge"/>.</exception>
    internal async ValueTask WidenRefcountsAsync(long growth, CancellationToken cancellationToken)
    {
        WriteEngine engine = await EngineAsync(cancellationToken);
        using (await _tables.Lock.EnterAsync(cancellationToken))
        {
            await engine.Allocator.WidenAsync(growth, cancellationToken);
        }

        await engine.CloseAsync(_tables);
    }

    /// <summary>Gives back what nothing refers to: the rest of a change that never came to its end.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2RefcountInvalid"/>.</exception>
    internal async ValueTask ReclaimAsync(CancellationToken cancellationToken)
    {
        WriteEngine engine = await EngineAsync(cancellationToken);
        await engine.CloseAsync(_tables);
        await engine.Rebuild.CorrectAsync(cancellationToken);
    }

    /// <summary>Writes out changed tables, then disposes everything that the image owns, even if that fails.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await (_engine?.CloseAsync(_tables) ?? ValueTask.CompletedTask);
        }
        finally
        {
            _engine?.Dispose();
            _starting.Dispose();
            _tables.Dispose();
            await _backing.DisposeAsync();
            await _data.DisposeAsync();
            await _tables.File.DisposeAsync();
        }
    }

    /// <summary>The engine, started by the first change.</summary>
    private ValueTask<WriteEngine> EngineAsync(CancellationToken cancellationToken) =>
        _engine is { } engine ? new(engine) : StartEngineAsync(cancellationToken);

    private async ValueTask<WriteEngine> StartEngineAsync(CancellationToken cancellationToken)
    {
        await _starting.WaitAsync(cancellationToken);
        try
        {
            return _engine ??= await WriteEngine.StartAsync(_tables, _reader, _data, cancellationToken);
        }
        finally
        {
            _starting.Release();
        }
    }

    private void CheckChange(long offset, long count)
    {
        BlockGuard.WritableRange(this, offset, count);
        BlockGuard.Aligned(this, offset, count);
    }

    private GuestReader ReaderOver(PointerTable l1) => new(new ClusterMap(_tables, l1), _data, _tables.Compressed, _backing);

    private static void CheckWritable(Qcow2Facts facts)
    {
        if (facts.IsCorrupt)
        {
            throw new RefusedException(ErrorIds.Qcow2MarkedCorrupt,
                "The image is marked as corrupt; it can be read, and written again once 'qemu-img check -r all' has repaired it.");
        }

        if (facts.CryptMethod == Qcow2CryptMethod.Aes)
        {
            throw new RefusedException(ErrorIds.Qcow2LegacyAesReadOnly,
                "The image uses the legacy AES encryption, which is insecure; it is only read, so that its data can move to a LUKS image.");
        }
    }

    private static void Expect(bool expected, string layer)
    {
        if (!expected)
        {
            throw new InvalidInputException(ErrorIds.ImageLayerUnexpected, $"The image's header names no {layer}, or it is attached already.");
        }
    }
}
