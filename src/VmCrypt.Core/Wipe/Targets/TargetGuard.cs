using System.Runtime.Versioning;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Medium;

namespace VmCrypt.Core.Wipe.Targets;

/// <summary>What must not be wiped, each with its own reason.</summary>
/// <remarks>Locks of running VMs and exclusive openers are found when the target is opened.</remarks>
internal static class TargetGuard
{
    private static readonly string[] s_systemPlaces = ["/", "/usr", "/boot", "/boot/efi", "/efi", "/etc", "/var"];

    /// <param name="allowLinks">The caller knows that the path is a symbolic link, or that the file has other names.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.WipeTargetIsLink"/>, <see cref="ErrorIds.WipeTargetHasLinks"/>,
    /// <see cref="ErrorIds.WipeTargetIsSwap"/>, <see cref="ErrorIds.WipeTargetImmutable"/>.</exception>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.WipeTargetHeld"/>.</exception>
    public static void CheckFile(string path, bool allowLinks)
    {
        if (!allowLinks && new FileInfo(path).LinkTarget is { } target)
        {
            throw new RefusedException(ErrorIds.WipeTargetIsLink,
                $"'{path}' is a symbolic link to '{target}'; name that file, or allow links.");
        }

        if (OperatingSystem.IsLinux() && FileStatus.Of(path) is { Kind: FileStatus.FileKind.Regular } status)
        {
            CheckFile(path, status, allowLinks);
        }
    }

    /// <summary>Makes sure that what was opened is what was checked: whoever may write to the folder could have put a link there in between.</summary>
    /// <param name="opened">The open file.</param>
    /// <param name="seen">The file that was looked at before; null where the file system does not allow that look.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.WipeTargetReplaced"/>.</exception>
    [SupportedOSPlatform("linux")]
    public static void CheckOpened(string path, FileStatus opened, FileStatus? seen, bool allowLinks)
    {
        // Not followed: then the name itself stands for the open file, and as its only name for no other.
        bool named = FileStatus.Of(path, follow: allowLinks) is { } now && now.IsSameFile(opened);
        if (!named || seen?.IsSameFile(opened) == false || (opened.Links > 1 && !allowLinks))
        {
            throw new RefusedException(ErrorIds.WipeTargetReplaced, $"'{path}' was replaced while it was opened.");
        }
    }

    /// <exception cref="RefusedException"><see cref="ErrorIds.WipeTargetIsSystemDisk"/>, <see cref="ErrorIds.WipeTargetIsSwap"/>.</exception>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.WipeTargetMounted"/>, <see cref="ErrorIds.WipeTargetHeld"/>.</exception>
    [SupportedOSPlatform("linux")]
    public static void CheckDevice(string path)
    {
        if (BlockNode.Of(Path.GetFullPath(path)) is not { } node)
        {
            return;
        }

        BlockUse[] uses = [.. node.Users()];
        if (IsSystemDisk(node) || uses.Any(use => use.Kind == BlockUseKind.Mounted && s_systemPlaces.Contains(use.Name)))
        {
            throw new RefusedException(ErrorIds.WipeTargetIsSystemDisk, $"'{path}' carries the running system of this host.");
        }

        if (uses.FirstOrDefault(use => use.Kind == BlockUseKind.Swap) is { } swap)
        {
            throw new RefusedException(ErrorIds.WipeTargetIsSwap, $"'{path}' is {swap}; turn swapping off first.");
        }

        if (uses.FirstOrDefault(use => use.Kind == BlockUseKind.Mounted) is { } mount)
        {
            throw new DeviceBusyException(ErrorIds.WipeTargetMounted, $"'{path}' is {mount}; unmount it first.");
        }

        if (uses.FirstOrDefault(use => use.Kind == BlockUseKind.Held) is { } holder)
        {
            throw new DeviceBusyException(ErrorIds.WipeTargetHeld, $"'{path}' is {holder}; take that apart first.");
        }
    }

    [SupportedOSPlatform("linux")]
    private static void CheckFile(string path, FileStatus status, bool allowLinks)
    {
        if (status.Links > 1 && !allowLinks)
        {
            throw new RefusedException(ErrorIds.WipeTargetHasLinks,
                $"'{path}' has {status.Links} names (hard links), and all of them would lose their content; allow links if that is meant.");
        }

        if (status.IsImmutable)
        {
            throw new RefusedException(ErrorIds.WipeTargetImmutable, $"'{path}' is marked immutable or append-only; take the mark off (chattr -ia) first.");
        }

        if (BlockNode.SwapAreas().Any(area => FileStatus.Of(area) is { } swap && swap.IsSameFile(status)))
        {
            throw new RefusedException(ErrorIds.WipeTargetIsSwap, $"'{path}' is used as swap; turn swapping off first.");
        }

        foreach ((string loop, string file) in LoopDevices())
        {
            if (FileStatus.Of(file) is { } backing && backing.IsSameFile(status))
            {
                throw new DeviceBusyException(ErrorIds.WipeTargetHeld, $"'{path}' is held by the loop device {loop}; detach it first.");
            }
        }
    }

    private static IEnumerable<(string Name, string File)> LoopDevices()
    {
        foreach (string folder in Directory.Exists("/sys/block") ? Directory.EnumerateFileSystemEntries("/sys/block", "loop*") : [])
        {
            string backing = Path.Combine(folder, "loop", "backing_file");
            if (File.Exists(backing))
            {
                yield return (Path.GetFileName(folder), File.ReadAllText(backing).TrimEnd('\n'));
            }
        }
    }

    // Whether the root file system stands on it, through whatever lies between.
    [SupportedOSPlatform("linux")]
    private static bool IsSystemDisk(BlockNode node)
    {
        if (DiskFacts.Of((node.Major, node.Minor)) is not { } disk
            || MountEntry.All().FirstOrDefault(mount => mount.Place == "/") is not { } root
            || DiskFacts.Of(root.Device) is not { } system)
        {
            return false;
        }

        return system.Layers.Any(layer => layer.Name == disk.Name || layer.Disk == disk.Name);
    }
}
