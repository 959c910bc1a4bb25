using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Host;

/// <summary>Folders in the place of images, for commands that take inventory.</summary>
internal static class DiskFolders
{
    /// <summary>With <paramref name="recurse"/>, the disks below those paths that are folders.</summary>
    public static IReadOnlyList<string> Expand(IReadOnlyList<string> paths, bool recurse) =>
        recurse ? [.. paths.SelectMany(path => Directory.Exists(path) ? DiskSearch.Below(path) : [path])] : paths;

    /// <summary>How a disk that was found is opened; nobody has named its format.</summary>
    public static DiskOpenOptions Opening(DiskOpenOptions given, DiskLocation location, bool recurse) =>
        recurse && given.Format is null && !location.IsNbd ? given with { Format = DiskSearch.FormatByEnd(location.Text) } : given;
}
