using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Blocks;

namespace VmCrypt.Core.Images.Vhdx;

/// <summary>A VHDX file of Hyper-V, fixed, dynamic or differencing: the disk that its guest sees.</summary>
/// <remarks>
/// Opening never writes: a log that waits is replayed in memory, and for real by the first change. That change also gives the file
/// its new identities (file_write_guid, data_write_guid), so that differencing disks over it notice. The parent is attached by the
/// caller before the first access; the image owns it, and the file. Closing leaves an empty log.
/// A differencing disk is accessed in whole sectors (<see cref="BlockTraits.RequiredAlignment"/>).
/// </remarks>
public sealed class VhdxImage : IVirtualDisk, IHostReleased
{
    private readonly VhdxLayout _layout;
    private readonly VhdxLog _log;
    private readonly VhdxTable _table;
    private readonly BackingLayer _backing;
    private readonly BlockReader _reader;
    private readonly SemaphoreSlim _starting = new(1, 1);
    private long _length;
    private BlockEngine? _engine;
    private bool _isNewContent;

    private VhdxImage(VhdxLayout layout, VhdxOpenOptions options)
    {
        _layout = layout;
        _length = layout.Metadata.DiskSize;
        _log = new VhdxLog(layout.Storage, layout.Headers);
        _table = new VhdxTable(layout, _log, options.TableCacheBytes);
        _backing = new BackingLayer(layout.Metadata.Parent is null ? null : layout.Metadata.Parent.RelativePath ?? layout.Metadata.Parent.AbsolutePath ?? "?");
        _reader = new BlockReader(_table, _backing);
        Traits = new BlockTraits
        {
            CanWrite = options.Writable,
            CanResize = options.Writable,
            CanTrim = options.Writable,
            CanZeroFast = options.Writable && !layout.Metadata.KeepsBlocks,
            RequiredAlignment = layout.Metadata.Parent is null ? 1 : layout.Metadata.LogicalSectorSize,
            PreferredBlock = Math.Max(layout.Metadata.PhysicalSectorSize, 4096),
        };
    }

    /// <summary>Opens the image in <paramref name="file"/>, which it owns from then on (not if this throws).</summary>
    /// <exception cref="InvalidImageException">A rule of the format is broken; one id per rule.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.VhdxVersionUnsupported"/>, <see cref="ErrorIds.VhdxRegionUnsupported"/>,
    /// <see cref="ErrorIds.VhdxMetadataUnsupported"/>, <see cref="ErrorIds.VhdxParentLocatorUnsupported"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.VhdxLogMissing"/> when it is to be written.</exception>
    public static async ValueTask<VhdxImage> OpenAsync(IBlockDevice file, VhdxOpenOptions options, CancellationToken cancellationToken)
    {
        if (options.Writable)
        {
            BlockGuard.Writable(file);
        }

        VhdxLayout layout = await VhdxLayout.ReadAsync(file, cancellationToken);
        if (options.Writable && layout.Headers.Current.LogBytes == 0)
        {
            throw new RefusedException(ErrorIds.VhdxLogMissing, "The file has no log, without which a crash could damage it; it can only be read.");
        }

        return new VhdxImage(layout, options);
    }

    public VhdxFacts Facts => new()
    {
        Kind = Kind,
        BlockSize = _table.BlockSize,
        VirtualSize = Length,
        LogicalSectorSize = _layout.Metadata.LogicalSectorSize,
        PhysicalSectorSize = _layout.Metadata.PhysicalSectorSize,
        DiskId = _layout.Metadata.DiskId,
        DataWriteGuid = Identity,
        Parent = Parent,
        IsLogPending = _layout.Storage.IsReplayPending,
    };

    public VirtualDiskKind Kind => Parent is not null ? VirtualDiskKind.Differencing : _table.KeepsBlocks ? VirtualDiskKind.Fixed : VirtualDiskKind.Dynamic;

    /// <summary>The data_write_guid, which changes with the content.</summary>
    public Guid Identity => _layout.Headers.Current.DataWriteGuid;

    public VirtualDiskParent? Parent => _layout.Metadata.Parent is { } parent
        ? new VirtualDiskParent(parent.Linkage, parent.RelativePath, parent.AbsolutePath)
        : null;

    public long Length => Volatile.Read(ref _length);

    public long MaxLength => VhdxLimits.MaxDiskSize;

    public BlockTraits Traits { get; }

    public bool IsParent(Guid identity) => _layout.Metadata.Parent?.Fits(identity) == true;

    public void AttachParent(IBlockDevice parent)
    {
        if (Parent is null || _backing.IsAttached)
        {
            throw new InvalidInputException(ErrorIds.ImageLayerUnexpected, "The file names no parent, or it is attached already.");
        }

        _backing.Attach(parent);
    }

    ValueTask<HostMap> IHostMapped.MapHostAsync(CancellationToken cancellationToken) =>
        BlockHostMap.ReadAsync(_table, cancellationToken);

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, buffer.Length);
        BlockGuard.Aligned(this, offset, buffer.Length);
        return _reader.ReadAsync(offset, buffer, cancellationToken);
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

    /// <summary>Grows or shrinks the disk; the size is a multiple of its logical sectors.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.VhdxSizeInvalid"/>.</exception>
    public async ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        BlockGuard.Resizable(this, length);
        BlockEngine engine = await EngineAsync(cancellationToken);
        await new VhdxResizer(_layout, _table, _log, _backing, engine).ResizeAsync(length, cancellationToken);
        Volatile.Write(ref _length, length);
    }

    /// <remarks>Children still know the disk afterwards: its content, and so its data_write_guid, stay what they are.</remarks>
    public async ValueTask<long> CompactAsync(IProgress<JobProgress> progress, CancellationToken cancellationToken)
    {
        BlockGuard.Writable(this);
        return Kind == VirtualDiskKind.Fixed
            ? throw BlockCompactor.RefusesFixed()
            : await new BlockCompactor(_table, await EngineAsync(cancellationToken, keepsContent: true)).RunAsync(progress, cancellationToken);
    }

    ValueTask<IReadOnlyList<string>> IHostReleased.FindDefectsAsync(CancellationToken cancellationToken) =>
        BlockHostMap.FindDefectsAsync(_table, cancellationToken);

    async ValueTask IHostReleased.ReleaseAsync(CancellationToken cancellationToken) =>
        await new BlockCompactor(_table, await EngineAsync(cancellationToken)).ReleaseAsync(cancellationToken);

    async ValueTask IHostReleased.CutAsync(CancellationToken cancellationToken) =>
        await new BlockCompactor(_table, await EngineAsync(cancellationToken)).CutAsync(cancellationToken);

    /// <summary>Writes out changed tables and empties the log, then disposes everything that the image owns, even if that fails.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            if (_engine is not null)
            {
                await _engine.Flusher.FlushAsync(CancellationToken.None);
                await _log.CloseAsync(CancellationToken.None);
            }
        }
        finally
        {
            _engine?.Dispose();
            _starting.Dispose();
            _table.Dispose();
            _log.Dispose();
            await _backing.DisposeAsync();
            await _layout.Storage.DisposeAsync();
        }
    }

    /// <summary>The engine, started by the first change.</summary>
    /// <param name="keepsContent">The guest will not see the change.</param>
    private ValueTask<BlockEngine> EngineAsync(CancellationToken cancellationToken, bool keepsContent = false) =>
        _engine is { } engine && (keepsContent || _isNewContent) ? new(engine) : StartEngineAsync(keepsContent, cancellationToken);

    private async ValueTask<BlockEngine> StartEngineAsync(bool keepsContent, CancellationToken cancellationToken)
    {
        await _starting.WaitAsync(cancellationToken);
        try
        {
            if (_engine is null)
            {
                await BeginChangesAsync(keepsContent, cancellationToken);
                _engine = new BlockEngine(_table, _backing);
            }
            else if (!keepsContent && !_isNewContent)
            {
                await _layout.Headers.UpdateAsync(header => header with { DataWriteGuid = Guid.NewGuid() }, cancellationToken);
            }

            _isNewContent |= !keepsContent;

            return _engine;
        }
        finally
        {
            _starting.Release();
        }
    }

    /// <summary>New identities, and the log's last word, before anything else changes.</summary>
    /// <remarks>Crash: the file is as it was, under a new file_write_guid perhaps; a log that waits is replayed again.</remarks>
    private async ValueTask BeginChangesAsync(bool keepsContent, CancellationToken cancellationToken)
    {
        var session = Guid.NewGuid();
        if (_layout.Storage.IsReplayPending)
        {
            await _layout.Headers.UpdateAsync(header => header with { FileWriteGuid = session }, cancellationToken);
            await _layout.Storage.ReplayAsync(cancellationToken);
        }

        await _layout.Headers.UpdateAsync(
            header => header with
            {
                FileWriteGuid = session,
                DataWriteGuid = keepsContent ? header.DataWriteGuid : Guid.NewGuid(),
                LogGuid = Guid.Empty,
            }, cancellationToken);
    }

    private void CheckChange(long offset, long count)
    {
        BlockGuard.WritableRange(this, offset, count);
        BlockGuard.Aligned(this, offset, count);
    }
}
