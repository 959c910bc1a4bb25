using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Wipe.Medium;

namespace VmCrypt.Core.Wipe.Targets;

/// <summary>Picks the kind of target that fits a path.</summary>
internal static class TargetOpener
{
    public static TargetKind KindOf(string path) =>
        DiskLocation.IsNbdUri(path) ? TargetKind.Nbd
        : OperatingSystem.IsLinux() && FilePlatform.Current.KindOf(path) == PathKind.BlockDevice ? TargetKind.BlockDevice
        : TargetKind.File;

    /// <summary>The path in full; an NBD URI as it is.</summary>
    public static string FullPath(string path) => DiskLocation.IsNbdUri(path) ? path : Path.GetFullPath(path);

    /// <param name="length">The length as a journal knows it; null where none does.</param>
    public static async ValueTask<WipeTarget> OpenAsync(string path, bool allowLinks, long? length, CancellationToken cancellationToken) => KindOf(path) switch
    {
        TargetKind.Nbd => await NbdTarget.OpenAsync(NbdUri.Parse(path), cancellationToken),
        TargetKind.BlockDevice when OperatingSystem.IsLinux() => await DeviceTarget.OpenAsync(FullPath(path), cancellationToken),
        _ => await FileTarget.OpenAsync(FullPath(path), allowLinks, length, cancellationToken),
    };
}
