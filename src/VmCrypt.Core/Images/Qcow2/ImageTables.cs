using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>What all parts of an open image share: the file, its sizes, its tables in memory and the lock for changing them.</summary>
internal sealed class ImageTables : IDisposable
{
    private readonly Qcow2HeaderExtensions _extensions;
    private Qcow2Header _header;

    public ImageTables(IBlockDevice file, Qcow2Metadata metadata, PointerTable l1, Qcow2OpenOptions options)
    {
        File = file;
        Geometry = metadata.Geometry;
        L1 = l1;
        Cache = new MetadataCache(file, Geometry.PageSize, options.MetadataCacheBytes);
        FirstPlace = Geometry.ClusterCount(options.ConvertedEnd ?? 0);
        HeaderStays = options.ConvertedEnd is not null;
        _extensions = metadata.Extensions;
        _header = metadata.Header;
        FixedAreas = Qcow2FixedAreas.Of(_header, _extensions, Geometry);
        Compressed = new CompressedClusters(file, Geometry, (Qcow2CompressionType)_header.CompressionType);
        Frees = new DeferredFrees(Grace);
    }

    public IBlockDevice File { get; }

    public Qcow2Geometry Geometry { get; }

    public MetadataCache Cache { get; }

    /// <summary>The active L1 table.</summary>
    public PointerTable L1 { get; }

    public CompressedClusters Compressed { get; }

    public MetadataLock Lock { get; } = new();

    /// <summary>Every access to guest data is a visit.</summary>
    public GracePeriod Grace { get; } = new();

    public DeferredFrees Frees { get; }

    public Qcow2FixedAreas FixedAreas { get; private set; }

    /// <summary>No cluster before this one is given out, or given back to the file system.</summary>
    public long FirstPlace { get; }

    /// <summary>No table that the header points to may move.</summary>
    public bool HeaderStays { get; }

    /// <summary>Size of the disk in bytes.</summary>
    public long VirtualSize => (long)_header.VirtualSize;

    public int Version => (int)_header.Version;

    public bool HasExternalData => _header.Incompatible.HasFlag(Qcow2Incompatible.ExternalDataFile);

    /// <summary>The external data file must read as a raw image by itself.</summary>
    public bool DataFileIsRaw => _header.Autoclear.HasFlag(Qcow2Autoclear.RawExternalData);

    /// <summary>Version 2 has no entry that says zero: only what lies over nothing can be let go.</summary>
    public bool ZeroesFast => Version >= 3 || _header.BackingNameOffset == 0;

    /// <summary>The header as it is to be on disk; changed under the lock.</summary>
    public Qcow2Header Header
    {
        get => _header;
        set
        {
            _header = value;
            FixedAreas = Qcow2FixedAreas.Of(value, _extensions, Geometry);
        }
    }

    /// <summary>What the format demands before anything is written: autoclear features that we do not know, and so do not keep, go.</summary>
    public async ValueTask ClearUnknownFeaturesAsync(CancellationToken cancellationToken)
    {
        Qcow2Autoclear known = _header.Autoclear & Qcow2Features.KnownAutoclear;
        if (known != _header.Autoclear)
        {
            await ChangeFeaturesAsync(_header with { Autoclear = known }, cancellationToken);
        }
    }

    /// <summary>Writes the header's feature bits at once, and flushes.</summary>
    public async ValueTask ChangeFeaturesAsync(Qcow2Header changed, CancellationToken cancellationToken)
    {
        await MetadataWrite.WriteAllAsync(File, [.. Qcow2HeaderFields.Features.Changes(_header, changed)], cancellationToken);
        await File.FlushAsync(cancellationToken);
        Header = changed;
    }

    /// <summary>The persistent bitmaps; none if the image has none or they are inconsistent as a whole.</summary>
    public ValueTask<IReadOnlyList<Qcow2Bitmap>> ReadBitmapsAsync(CancellationToken cancellationToken) =>
        _extensions.Bitmaps is { } pointer && _header.Autoclear.HasFlag(Qcow2Autoclear.Bitmaps)
            ? Qcow2BitmapDirectory.ReadAsync(File, pointer, Geometry, cancellationToken)
            : new([]);

    public void Dispose() => Lock.Dispose();
}
