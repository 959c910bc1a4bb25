using System.Security.Cryptography;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Medium;

namespace VmCrypt.Core.Wipe.Targets;

/// <summary>The free space of a file system: files that take all of it but a reserve, gone when this is disposed.</summary>
/// <remarks>A crash leaves the files; the next run in the folder takes them away first. So there is nothing to resume.</remarks>
internal sealed class FreeSpaceTarget : WipeTarget
{
    private const string Prefix = ".vmcrypt-free-";
    private const long LargestFile = 1L << 40;
    private const long SmallestFile = 1L << 20;
    private const long LeastReserve = 256L << 20;

    private readonly List<FileTarget> _files;
    private readonly JoinedDevice _device;

    private FreeSpaceTarget(string folder, List<FileTarget> files)
    {
        _files = files;
        _device = new JoinedDevice([.. files.Select(file => file.Device)]);
        Map = new RangeMap(files.SelectMany((file, index) => file.Map.Ranges.Select(range => range with { Offset = range.Offset + _device.StartOf(index) })));
        Unit = files.Count == 0 ? 4096 : files.Max(file => file.Unit);
        Facts = new MediumFacts
        {
            Kind = TargetKind.FreeSpace,
            Path = folder,
            Length = _device.Length,
            AllocatedBytes = Map.TotalBytes,
            ExtentCount = files.Sum(file => file.Facts.ExtentCount),
            FileSystem = files.FirstOrDefault()?.Facts.FileSystem,
            Disk = files.FirstOrDefault()?.Facts.Disk,
        };
        Findings =
        [
            .. files.SelectMany(file => file.Findings).Where(finding => finding.Kind != FindingKind.MetadataNotCovered).DistinctBy(finding => finding.Kind),
            new(FindingKind.MetadataNotCovered, FindingWeight.Note,
                "Not covered: the reserve, ends of the last blocks of other files, names and metadata of deleted files, the file system's journal."),
        ];
    }

    public override MediumFacts Facts { get; }

    public override IReadOnlyList<WipeFinding> Findings { get; }

    public override string Identity => $"free space of {Facts.Path}";

    public override IBlockDevice Device => _device;

    public override int Unit { get; }

    public override bool IsCached => _files.Exists(file => file.IsCached);

    public override RangeMap Map { get; }

    /// <summary>Fills the file system of <paramref name="folder"/> up to the reserve.</summary>
    /// <param name="reserve">Null for one in a hundred bytes, at least 256 MiB.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.FileNotFound"/>.</exception>
    public static async ValueTask<FreeSpaceTarget> FillAsync(string folder, long? reserve, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(folder))
        {
            throw new MissingException(ErrorIds.FileNotFound, $"There is no folder '{folder}'.");
        }

        RemoveLeftOvers(folder);
        var drive = new DriveInfo(folder);
        long keep = reserve ?? Math.Max(LeastReserve, drive.TotalSize / 100);
        var files = new List<FileTarget>();
        try
        {
            long next = LargestFile;
            while (next >= SmallestFile)
            {
                cancellationToken.ThrowIfCancellationRequested();
                next = Math.Min(next, (drive.AvailableFreeSpace - keep) & -SmallestFile);
                if (next < SmallestFile)
                {
                    break;
                }

                if (await TryMakeAsync(folder, next, cancellationToken) is { } file)
                {
                    files.Add(file);
                }
                else
                {
                    next /= 2;
                }
            }

            return new FreeSpaceTarget(folder, files);
        }
        catch
        {
            await CloseAsync(files);
            throw;
        }
    }

    public override IReadOnlyList<WipeFinding> Compare() => [.. _files.SelectMany(file => file.Compare()).Select(finding => finding with { Ranges = [] })];

    public override async ValueTask BypassCacheAsync(CancellationToken cancellationToken)
    {
        foreach (FileTarget file in _files)
        {
            await file.BypassCacheAsync(cancellationToken);
        }
    }

    public override void CheckUnchanged() => _files.ForEach(file => file.CheckUnchanged());

    public override async ValueTask DisposeAsync()
    {
        await CloseAsync(_files);
        await base.DisposeAsync();
    }

    // Null where the file system has not that much in one piece, or no files that long.
    private static async ValueTask<FileTarget?> TryMakeAsync(string folder, long length, CancellationToken cancellationToken)
    {
        string path = Path.Combine(folder, Prefix + RandomNumberGenerator.GetHexString(16, lowercase: true));
        try
        {
            await MakeAsync(path, length, FilePreallocation.Falloc, cancellationToken);
        }
        catch (UnsupportedFeatureException fault) when (fault.ErrorId == ErrorIds.PreallocationUnsupported)
        {
            await MakeAsync(path, length, FilePreallocation.Full, cancellationToken);
        }
        catch (DeviceFaultException fault) when (fault.ErrorId == ErrorIds.DiskFull)
        {
            return null;
        }

        return await FileTarget.OpenAsync(path, allowLinks: false, null, cancellationToken);
    }

    private static async ValueTask MakeAsync(string path, long length, FilePreallocation how, CancellationToken cancellationToken)
    {
        FileDevice file = await FileDevice.CreateAsync(path, new FileCreateOptions { Length = length, Preallocation = how }, cancellationToken);
        await file.DisposeAsync();
    }

    private static void RemoveLeftOvers(string folder)
    {
        foreach (string path in Directory.EnumerateFiles(folder, Prefix + "*"))
        {
            File.Delete(path);
        }

        FilePlatform.Current.FlushFolder(folder);
    }

    private static async ValueTask CloseAsync(List<FileTarget> files)
    {
        foreach (FileTarget file in files)
        {
            await file.DisposeAsync();
            File.Delete(file.Facts.Path);
        }

        files.Clear();
    }
}
