using System.Globalization;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Local;

/// <summary>What the kernel tells in sysfs and proc about a block device, named by its numbers.</summary>
[SupportedOSPlatform("linux")]
internal sealed record BlockNode(uint Major, uint Minor)
{
    private string Folder => $"/sys/dev/block/{Major}:{Minor}";

    public static BlockNode Of(SafeFileHandle device) => Of(FileStatus.Of(device));

    /// <summary>Null where the full path leads to no block device.</summary>
    public static BlockNode? Of(string path) =>
        Path.IsPathRooted(path) && FileStatus.Of(path) is { Kind: FileStatus.FileKind.BlockDevice } status ? Of(status) : null;

    /// <summary>A limit of the device's queue in bytes; 0 where the kernel does not tell.</summary>
    public long QueueLimit(string name)
    {
        // A partition has no queue; its disk, the folder above, has.
        string own = new DirectoryInfo(Folder).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? Folder;
        string text = Read(Path.Combine(own, "queue", name)) ?? Read(Path.Combine(own, "..", "queue", name)) ?? "0";
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value : 0;
    }

    /// <summary>The refusal to open a device that the kernel does not grant exclusively, with who has it.</summary>
    public static DeviceBusyException Busy(string path)
    {
        BlockUse[] users = Of(Path.GetFullPath(path)) is { } node ? [.. node.Users()] : [];
        string who = users.Length > 0 ? string.Join(", ", users) : $"opened exclusively by {FileUsers.Describe(path)}";
        return new DeviceBusyException(ErrorIds.DeviceInUse, $"The device '{path}' cannot be written because it is {who}.");
    }

    /// <summary>What the host does with the device and its partitions.</summary>
    public IEnumerable<BlockUse> Users() => Users(MountEntry.All(), SwapAreas());

    /// <summary>Files and devices that the kernel swaps to.</summary>
    public static IReadOnlyList<string> SwapAreas() => [.. Lines("/proc/swaps").Skip(1).Select(line => MountEntry.Unescape(line.Split(' ', '\t')[0]))];

    /// <inheritdoc cref="Users()"/>
    public IEnumerable<BlockUse> Users(IReadOnlyList<MountEntry> mounts, IReadOnlyList<string> swaps)
    {
        IEnumerable<BlockUse> own = [
            .. mounts.Where(mount => DeviceOf(mount) == this).Select(mount => new BlockUse(BlockUseKind.Mounted, mount.Place)),
            .. swaps.Where(area => Of(area) == this).Select(area => new BlockUse(BlockUseKind.Swap, area)),
            .. Names(Path.Combine(Folder, "holders")).Select(holder => new BlockUse(BlockUseKind.Held, $"{holder}{MapperName(holder)}"))];
        return own.Concat(Partitions().SelectMany(part => part.Node.Users(mounts, swaps).Select(use => use with { Partition = part.Name })));
    }

    // btrfs and others invent device numbers in the mount table, so that the source's path has to tell.
    private static BlockNode? DeviceOf(MountEntry mount) => Of(mount.Source) ?? new BlockNode(mount.Device.Major, mount.Device.Minor);

    private IEnumerable<(BlockNode Node, string Name)> Partitions() => Names(Folder)
        .Where(name => File.Exists(Path.Combine(Folder, name, "partition")))
        .Select(name => (Parse(Read(Path.Combine(Folder, name, "dev"))!), name));

    private static BlockNode Of(FileStatus status) => new(status.SpecialDevice.Major, status.SpecialDevice.Minor);

    private static BlockNode Parse(string numbers) =>
        MountEntry.ParseDevice(numbers) is var (major, minor) ? new BlockNode(major, minor) : throw new FormatException(numbers);

    private static string MapperName(string holder) => Read($"/sys/block/{holder}/dm/name") is { } name ? $" ({name})" : string.Empty;

    private static string? Read(string file) => File.Exists(file) ? File.ReadAllText(file).Trim() : null;

    private static string[] Lines(string file) => File.Exists(file) ? File.ReadAllLines(file) : [];

    private static IEnumerable<string> Names(string folder) =>
        Directory.Exists(folder) ? Directory.EnumerateDirectories(folder).Select(entry => Path.GetFileName(entry)) : [];
}

internal enum BlockUseKind
{
    Mounted,
    Swap,

    /// <summary>Part of another device: a volume group, a RAID set, an opened LUKS disk.</summary>
    Held,
}

/// <summary>One thing that the host does with a device.</summary>
/// <param name="Name">The place of the mount, the swap area, or the device that holds it.</param>
internal sealed record BlockUse(BlockUseKind Kind, string Name)
{
    /// <summary>The partition that is used, if not the whole.</summary>
    public string? Partition { get; init; }

    public override string ToString()
    {
        string use = Kind switch
        {
            BlockUseKind.Mounted => $"mounted at {Name}",
            BlockUseKind.Swap => "used as swap",
            _ => $"held by {Name}",
        };
        return Partition is null ? use : $"{use} (its partition {Partition})";
    }
}
