using System.Security.Cryptography;
using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Medium;

namespace VmCrypt.Core.Wipe.Targets;

/// <summary>The free space of a file system: files that take all of it but a reserve.</summary>
/// <remarks>
/// They are gone when this is disposed, unless the wipe has stopped and can go on: then they hold the space, so that nobody
/// writes there meanwhile. What a crash leaves while they are made, the next run in the folder takes away.
/// </remarks>
internal sealed class FreeSpaceTarget : WipeTarget
{
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

    public override string Identity =>
        $"free space of {Facts.Path} in {_files.Count} files {Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', _files.Select(file => file.Identity)))))[..16]}";

    public override byte[]? PhysicalDigest => _files.TrueForAll(file => file.PhysicalDigest is not null)
        ? SHA256.HashData([.. _files.SelectMany(file => file.PhysicalDigest!)])
        : null;

    public override IBlockDevice Device => _device;

    public override int Unit { get; }

    public override bool IsCached => _files.Exists(file => file.IsCached);

    public override RangeMap Map { get; }

    /// <summary>Fills the file system of <paramref name="folder"/> up to the reserve.</summary>
    /// <param name="reserve">Null for one in a hundred bytes, at least 256 MiB.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.FileNotFound"/>.</exception>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.ImageInUse"/>: another wipe of it is at work.</exception>
    public static async ValueTask<FreeSpaceTarget> FillAsync(string folder, long? reserve, CancellationToken cancellationToken)
    {
        await FreeSpaceFiles.RemoveLeftOversAsync(folder, cancellationToken);
        return new FreeSpaceTarget(folder, await FreeSpaceFiles.MakeAsync(folder, reserve, cancellationToken));
    }

    /// <summary>Takes up the files that a stopped wipe has left.</summary>
    public static async ValueTask<FreeSpaceTarget> ReopenAsync(string folder, CancellationToken cancellationToken) =>
        new(folder, await FreeSpaceFiles.OpenAsync(folder, cancellationToken)) { MustStay = true };

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
        await FreeSpaceFiles.CloseAsync(_files, delete: !MustStay);
        await base.DisposeAsync();
    }
}
