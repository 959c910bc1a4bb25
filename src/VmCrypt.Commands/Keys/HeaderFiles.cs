using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>How header backups are named that nobody named.</summary>
internal static class HeaderFiles
{
    public const string Extension = ".luks-header";

    /// <summary>The file beside an image that keeps its header before a conversion.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.InvalidParameter"/>: there is no folder of images beside it.</exception>
    public static string Beside(DiskLocation location, LuksVersion version)
    {
        return location.IsNbd || LocalDisk.IsBlockDevice(location.Text)
            ? throw new InvalidInputException(ErrorIds.InvalidParameter, $"{location} is no file, so a backup of its header does not go beside it; name a file with -BackupPath.")
            : $"{location.Text}.{version.ToString().ToLowerInvariant()}{Extension}";
    }
}
