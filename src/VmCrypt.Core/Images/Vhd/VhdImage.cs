using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Blocks;

namespace VmCrypt.Core.Images.Vhd;

/// <summary>A dynamic or differencing VHD file: the disk that its guest sees. Fixed ones are <see cref="VhdFixedImage"/>s.</summary>
/// <remarks>
/// Opening never writes. The parent is attached by the caller before the first access; the image owns it, and the file.
/// The disk is accessed in whole sectors (<see cref="BlockTraits.RequiredAlignment"/>).
/// </remarks>
public sealed class VhdImage : IVirtualDisk, IHostReleased
{
    private readonly IBlockDevice _file;
    private readonly VhdLayout _layout;
    private readonly VhdFooters _footers;
    private readonly VhdTable _table;
    private readonly BackingLayer _backing;
    private readonly BlockReader _reader;
    private readonly Lazy<BlockEngine> _engine;
    private long _length;

    private VhdImage(IBlockDevice file, VhdLayout layout, VhdOpenOptions options)
    {
        _file = file;
        _layout = layout;
        _length = (long)layout.Footer.DiskSize;
        _footers = new VhdFooters(file, layout.Footer);
        _table = new VhdTable(file, layout, _footers, options.TableCacheBytes);
        _backing = new BackingLayer(layout.Parent is null ? null : layout.Parent.RelativePath ?? layout.Parent.AbsolutePath);
        _reader = new BlockReader(_table, _backing);
        _engine = new Lazy<BlockEngine>(() => new BlockEngine(_table, _backing));
        Traits = new BlockTraits
        {
            CanWrite = options.Writable,
            CanResize = options.Writable,
            CanTrim = options.Writable,
            CanZeroFast = options.Writable,
            RequiredAlignment = VhdLimits.Sector,
        };
    }

    /// <summary>Opens the image in <paramref name="file"/>, which it owns from then on (not if this throws); of any kind.</summary>
    /// <exception cref="InvalidImageException">A rule of the format is broken; one id per rule.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.VhdVersionUnsupported"/>, <see cref="ErrorIds.VhdTypeUnsupported"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.VhdInSavedState"/> when it is to be written.</exception>
    public static async ValueTask<IVirtualDisk> OpenAsync(IBlockDevice file, VhdOpenOptions options, CancellationToken cancellationToken)
    {
        if (options.Writable)
        {
            BlockGuard.Writable(file);
        }

        VhdLayout layout = await VhdLayout.ReadAsync(file, cancellationToken);
        if (options.Writable && layout.Footer.IsInSavedState)
        {
            throw new RefusedException(ErrorIds.VhdInSavedState,
                "A virtual machine is suspended with this disk; it can be read, and written again once that machine has gone on.");
        }

        return layout.Kind == VirtualDiskKind.Fixed ? new VhdFixedImage(file, layout, options.Writable) : new VhdImage(file, layout, options);
    }

    /// <summary>What footer and header say of a disk that <see cref="OpenAsync"/> has opened; null for other disks.</summary>
    public static VhdFacts? FactsOf(IVirtualDisk? disk) => disk switch
    {
        VhdImage image => image.Facts,
        VhdFixedImage image => image.Facts,
        _ => null,
    };

    public VhdFacts Facts => new()
    {
        Kind = Kind,
        BlockSize = _table.BlockSize,
        VirtualSize = Length,
        CreatorApplication = _footers.Current.CreatorApplication,
        UniqueId = Identity,
        Parent = Parent,
        IsInSavedState = _layout.Footer.IsInSavedState,
    };

    public VirtualDiskKind Kind => _layout.Kind;

    public Guid Identity => _layout.Footer.UniqueId;

    public VirtualDiskParent? Parent => _layout.Parent;

    public long Length => Volatile.Read(ref _length);

    public long MaxLength => Math.Min(VhdLimits.MaxDiskSize, (long)VhdLimits.MaxTableEntries * _table.BlockSize);

    public BlockTraits Traits { get; }

    public bool IsParent(Guid identity) => Parent?.Id == identity;

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

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        CheckChange(offset, buffer.Length);
        return _engine.Value.Writer.WriteAsync(offset, buffer, cancellationToken);
    }

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        CheckChange(offset, count);
        return _engine.Value.Eraser.ZeroAsync(offset, count, flags, cancellationToken);
    }

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        CheckChange(offset, count);
        return _engine.Value.Eraser.TrimAsync(offset, count, cancellationToken);
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken) =>
        _engine.IsValueCreated ? _engine.Value.Flusher.FlushAsync(cancellationToken) : ValueTask.CompletedTask;

    public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, count);
        return _reader.ExtentsAsync(offset, count, cancellationToken);
    }

    /// <summary>Grows or shrinks the disk; the size is a multiple of 512, at most 2040 GiB.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.VhdSizeInvalid"/>.</exception>
    public async ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        BlockGuard.Resizable(this, length);
        await new VhdResizer(_file, _layout, _table, _footers, _backing, _engine.Value).ResizeAsync(length, cancellationToken);
        Volatile.Write(ref _length, length);
    }

    public async ValueTask<long> CompactAsync(IProgress<JobProgress> progress, CancellationToken cancellationToken)
    {
        BlockGuard.Writable(this);
        return await new BlockCompactor(_table, _engine.Value).RunAsync(progress, cancellationToken);
    }

    ValueTask<IReadOnlyList<string>> IHostReleased.FindDefectsAsync(CancellationToken cancellationToken) =>
        BlockHostMap.FindDefectsAsync(_table, cancellationToken);

    ValueTask IHostReleased.ReleaseAsync(CancellationToken cancellationToken) =>
        new BlockCompactor(_table, _engine.Value).ReleaseAsync(cancellationToken);

    ValueTask IHostReleased.CutAsync(CancellationToken cancellationToken) =>
        new BlockCompactor(_table, _engine.Value).CutAsync(cancellationToken);

    /// <summary>Writes out changed tables, then disposes everything that the image owns, even if that fails.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await FlushAsync(CancellationToken.None);
        }
        finally
        {
            if (_engine.IsValueCreated)
            {
                _engine.Value.Dispose();
            }

            _table.Dispose();
            await _backing.DisposeAsync();
            await _file.DisposeAsync();
        }
    }

    private void CheckChange(long offset, long count)
    {
        BlockGuard.WritableRange(this, offset, count);
        BlockGuard.Aligned(this, offset, count);
    }
}
