using System.Runtime.Versioning;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Medium;

namespace VmCrypt.Core.Wipe.Targets;

/// <summary>An image file as the host sees it: every allocated byte, whatever the format makes of it. Holes stay holes.</summary>
/// <remarks>
/// The last block is covered to its end: the file is made longer by that slack while it is wiped, which allocates nothing, and
/// gets its length back afterwards. A stop or a crash in between leaves it a few bytes too long; the journal knows the right length.
/// </remarks>
internal sealed class FileTarget : WipeTarget
{
    private const int Page = 4096;

    private readonly FileDevice _device;
    private readonly ExtentMap? _extents;
    private readonly long _length;
    private readonly bool _direct;
    private long _expectedLength;

    private FileTarget(FileDevice device, FileSurvey survey, long length)
    {
        _device = device;
        _extents = survey.Extents;
        _length = length;
        _expectedLength = device.Length;
        Map = survey.Map;
        Facts = survey.Facts;
        Findings = [.. MediumFindings.Of(Facts, _extents)];
        Unit = Page;
        // In memory there is no medium to go to past the cache.
        if (Facts.FileSystem?.Nature != StorageNature.Memory && survey.DirectAlignment is { } wanted && Map.Ranges.All(range => range.Offset % wanted == 0 && range.Length % wanted == 0))
        {
            _direct = ((ILocalDevice)device).TryBypassCache() is not null;
            Unit = _direct ? wanted : Page;
        }
    }

    public override MediumFacts Facts { get; }

    public override IReadOnlyList<WipeFinding> Findings { get; }

    public override string Identity => OperatingSystem.IsLinux() ? IdentityOf(FileStatus.Of(Local.Handle)) : $"file {Local.Path}";

    public override byte[]? PhysicalDigest => _extents?.Digest(CoveredEnd);

    public override IBlockDevice Device => _device;

    public override int Unit { get; }

    public override bool IsCached => !_direct;

    public override RangeMap Map { get; }

    private ILocalDevice Local => _device;

    private long CoveredEnd => Map.Ranges is [.., var last] ? last.End : 0;

    /// <param name="length">The file's length as a journal knows it, where it differs from the file's own.</param>
    public static async ValueTask<FileTarget> OpenAsync(string path, bool allowLinks, long? length, CancellationToken cancellationToken)
    {
        TargetGuard.CheckFile(path, allowLinks);
        // Looked at before it is opened for writing: on an overlay, that alone copies it.
        FileSurvey? before = OperatingSystem.IsLinux() ? FileSurvey.Of(path, length) : null;
        FileDevice device = await FileDevice.OpenAsync(path, LocalDiskOptions.ReadWrite, cancellationToken);
        try
        {
            if (OperatingSystem.IsLinux())
            {
                TargetGuard.CheckOpened(path, FileStatus.Of(((ILocalDevice)device).Handle), before?.Status, allowLinks);
            }

            FileSurvey survey = before ?? await FileSurvey.OfAsync(device, length, cancellationToken);
            return new FileTarget(device, survey, length ?? device.Length);
        }
        catch
        {
            await device.DisposeAsync();
            throw;
        }
    }

    public override async ValueTask PrepareAsync(CancellationToken cancellationToken)
    {
        if (CoveredEnd > _device.Length)
        {
            await _device.SetLengthAsync(CoveredEnd, cancellationToken);
            _expectedLength = CoveredEnd;
        }
    }

    public override IReadOnlyList<WipeFinding> Compare() => OperatingSystem.IsLinux() && _extents is not null ? [.. Compare(_extents)] : [];

    public override async ValueTask RestoreAsync(CancellationToken cancellationToken)
    {
        if (_device.Length != _length)
        {
            await _device.SetLengthAsync(_length, cancellationToken);
            _expectedLength = _length;
            await _device.FlushAsync(cancellationToken);
        }
    }

    public override ValueTask BypassCacheAsync(CancellationToken cancellationToken)
    {
        if (!_direct)
        {
            Local.DropCache();
        }

        return ValueTask.CompletedTask;
    }

    public override void CheckUnchanged()
    {
        long length = RandomAccess.GetLength(Local.Handle);
        if (length != _expectedLength)
        {
            throw Changed(Local.Path, $"it has {length} bytes and had {_expectedLength}");
        }

        if (OperatingSystem.IsLinux() && (FileStatus.Of(Local.Path) is not { } now || !now.IsSameFile(FileStatus.Of(Local.Handle))))
        {
            throw Changed(Local.Path, "another file, or none, has its name");
        }
    }

    [SupportedOSPlatform("linux")]
    private IEnumerable<WipeFinding> Compare(ExtentMap before)
    {
        if (Fiemap.Read(Local.Handle, Local.Path) is not { } extents)
        {
            yield break;
        }

        var moved = before.MovedIn(new ExtentMap(extents), CoveredEnd);
        if (moved.Length > 0)
        {
            long bytes = moved.Sum(range => range.Length);
            yield return new WipeFinding(FindingKind.ExtentsMoved, FindingWeight.Exception,
                $"{bytes} bytes lie elsewhere than before, or cannot be told to lie where they did: the old blocks may still hold the data.")
            {
                Bytes = bytes,
                Ranges = [.. moved.Take(Defects.MaxListed)],
            };
        }
    }

    // The inode number alone is used again; with the time of birth it names one file for good.
    [SupportedOSPlatform("linux")]
    private static string IdentityOf(FileStatus status) => status.BornNanoseconds is { } born
        ? $"file inode={status.Inode} born={born}"
        : $"file inode={status.Inode} device={status.Device.Major}:{status.Device.Minor}";
}
