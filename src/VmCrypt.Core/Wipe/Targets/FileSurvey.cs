using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Medium;

namespace VmCrypt.Core.Wipe.Targets;

/// <summary>A file as it was found: what of it is to be covered, and where it lies.</summary>
internal sealed record FileSurvey(RangeMap Map, ExtentMap? Extents, MediumFacts Facts)
{
    /// <summary>Null where direct I/O makes no sense: bytes in metadata can only be written through the cache.</summary>
    public int? DirectAlignment { get; private init; }

    public FileStatus? Status { get; private init; }

    /// <summary>Asks the file system; null where it does not tell where the file lies.</summary>
    [SupportedOSPlatform("linux")]
    public static FileSurvey? Of(string path, long? knownLength)
    {
        using SafeFileHandle handle = LinuxPlatform.OpenHandle(path, Libc.OpenFlags.ReadOnly | Libc.OpenFlags.NonBlocking);
        FileStatus status = FileStatus.Of(handle);
        if (status.Kind != FileStatus.FileKind.Regular || Fiemap.Read(handle, path) is not { } extents)
        {
            return null;
        }

        var map = new ExtentMap(extents);
        bool inline = map.BytesWith(ExtentTraits.Inline) > 0;
        long length = knownLength ?? status.Length;
        // Blocks reserved beyond the last one were never written through this file.
        long end = inline ? length : (length + status.BlockSize - 1) / status.BlockSize * status.BlockSize;
        var ranges = new RangeMap(map.RangesUpTo(end));
        return new FileSurvey(ranges, map, FactsOf(handle, path, length, ranges, map))
        {
            DirectAlignment = inline ? null : status.DirectAlignment,
            Status = status,
        };
    }

    /// <summary>Asks the device for data and holes only.</summary>
    public static async ValueTask<FileSurvey> OfAsync(FileDevice device, long? knownLength, CancellationToken cancellationToken)
    {
        var ranges = new List<ByteRange>();
        await foreach (Extent extent in device.ExtentsAsync(0, device.Length, cancellationToken))
        {
            if (extent.Kind != ExtentKind.Hole)
            {
                ranges.Add(new ByteRange(extent.Offset, extent.Length));
            }
        }

        ILocalDevice local = device;
        var map = new RangeMap(ranges);
        return new FileSurvey(map, null, FactsOf(local.Handle, local.Path, knownLength ?? device.Length, map, null));
    }

    private static MediumFacts FactsOf(SafeFileHandle handle, string path, long length, RangeMap map, ExtentMap? extents)
    {
        (FileSystemFacts FileSystem, DiskFacts? Disk)? below = OperatingSystem.IsLinux() ? MediumInspector.Inspect(handle) : null;
        return new MediumFacts
        {
            Kind = TargetKind.File,
            Path = path,
            Length = length,
            AllocatedBytes = map.TotalBytes,
            ExtentCount = extents?.Extents.Length,
            SharedBytes = extents?.BytesWith(ExtentTraits.Shared) ?? 0,
            FileSystem = below?.FileSystem,
            Disk = below?.Disk,
        };
    }
}
