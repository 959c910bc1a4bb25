using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>What all parts of an open image share: the file, its sizes, its tables in memory and the lock for changing them.</summary>
internal sealed class ImageTables : IDisposable
{
    private readonly Qcow2HeaderExtensions _extensions;
    private Qcow2Header _header;

    public ImageTables(IBlockDevice file, Qcow2Metadata metadata, PointerTable l1, int cacheBytes)
    {
        File = file;
        Geometry = metadata.Geometry;
        L1 = l1;
        Cache = new MetadataCache(file, Geometry.PageSize, cacheBytes);
        _extensions = metadata.Extensions;
        _header = metadata.Header;
        FixedAreas = Qcow2FixedAreas.Of(_header, _extensions, Geometry);
    }

    public IBlockDevice File { get; }

    public Qcow2Geometry Geometry { get; }

    public MetadataCache Cache { get; }

    /// <summary>The active L1 table.</summary>
    public PointerTable L1 { get; }

    public MetadataLock Lock { get; } = new();

    public Qcow2FixedAreas FixedAreas { get; private set; }

    public int Version => (int)_header.Version;

    public bool HasExternalData => _header.Incompatible.HasFlag(Qcow2Incompatible.ExternalDataFile);

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

    public void Dispose() => Lock.Dispose();
}
