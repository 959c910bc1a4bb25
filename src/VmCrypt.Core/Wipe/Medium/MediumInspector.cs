using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using VmCrypt.Core.Block.Local;

namespace VmCrypt.Core.Wipe.Medium;

/// <summary>Finds out what lies below a file: its file system, the disk below that, and so on down.</summary>
[SupportedOSPlatform("linux")]
internal static partial class MediumInspector
{
    private const ulong GetFlags = 0x80086601; // FS_IOC_GETFLAGS
    private const int MaxDepth = 8;

    /// <summary>Null where the mount table does not know the file.</summary>
    public static (FileSystemFacts FileSystem, DiskFacts? Disk)? Inspect(SafeFileHandle file)
    {
        FileStatus status = FileStatus.Of(file);
        if (MountOf(status) is not { } mount)
        {
            return null;
        }

        uint flags = Control(file, GetFlags, out uint value) == 0 ? value : 0;
        return (FileSystemFacts.Of(mount, flags), DiskOf(mount, status));
    }

    /// <summary>The file systems that files behind loop devices of <paramref name="disk"/> lie on, all the way down.</summary>
    public static IEnumerable<(string File, FileSystemFacts FileSystem, DiskFacts? Disk)> FilesBelow(DiskFacts disk, int depth = 0)
    {
        foreach (string path in disk.Layers.Select(layer => layer.BackingFile).OfType<string>())
        {
            if (depth >= MaxDepth || FileStatus.Of(path) is not { Kind: FileStatus.FileKind.Regular } status || MountOf(status) is not { } mount)
            {
                continue;
            }

            DiskFacts? below = DiskOf(mount, status);
            yield return (path, FileSystemFacts.Of(mount, 0), below);
            foreach ((string File, FileSystemFacts FileSystem, DiskFacts? Disk) deeper in below is null ? [] : FilesBelow(below, depth + 1))
            {
                yield return deeper;
            }
        }
    }

    private static MountEntry? MountOf(FileStatus status) => MountEntry.All()
        .LastOrDefault(mount => status.MountId is { } id ? mount.Id == id : mount.Device == status.Device);

    // btrfs and others invent device numbers; then the mount's source tells the device.
    private static DiskFacts? DiskOf(MountEntry mount, FileStatus status) =>
        DiskFacts.Of(status.Device)
        ?? (Path.IsPathRooted(mount.Source) && FileStatus.Of(mount.Source) is { Kind: FileStatus.FileKind.BlockDevice } source
            ? DiskFacts.Of(source.SpecialDevice)
            : null);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(SafeFileHandle file, ulong request, out uint value);
}
