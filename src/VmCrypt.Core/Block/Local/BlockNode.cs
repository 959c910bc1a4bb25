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
        string[] users = Of(Path.GetFullPath(path)) is { } node ? [.. node.Users(Lines("/proc/self/mountinfo"), Lines("/proc/swaps"))] : [];
        string who = users.Length > 0 ? string.Join(", ", users) : $"opened exclusively by {FileUsers.Describe(path)}";
        return new DeviceBusyException(ErrorIds.DeviceInUse, $"The device '{path}' cannot be written because it is {who}.");
    }

    /// <summary>"mounted at /home", "used as swap", "held by dm-0 (home)"; of its partitions, too.</summary>
    public IEnumerable<string> Users(IReadOnlyList<string> mounts, IReadOnlyList<string> swaps)
    {
        IEnumerable<string> own = [
            .. mounts.Select(ParseMount).Where(mount => mount.Device == this).Select(mount => $"mounted at {mount.Place}"),
            .. swaps.Skip(1).Where(line => Of(Unescape(line.Split(' ')[0])) == this).Select(_ => "used as swap"),
            .. Names(Path.Combine(Folder, "holders")).Select(holder => $"held by {holder}{MapperName(holder)}")];
        return own.Concat(Partitions().SelectMany(part => part.Node.Users(mounts, swaps).Select(use => $"{use} (its partition {part.Name})")));
    }

    /// <summary>One line of mountinfo; btrfs and others invent device numbers there, so that the source's path has to tell.</summary>
    public static (BlockNode? Device, string Place) ParseMount(string line)
    {
        string[] fields = line.Split(' ');
        int separator = Array.IndexOf(fields, "-");
        BlockNode? source = separator > 0 && separator + 2 < fields.Length ? Of(Unescape(fields[separator + 2])) : null;
        return (source ?? Parse(fields[2]), Unescape(fields[4]));
    }

    private IEnumerable<(BlockNode Node, string Name)> Partitions() => Names(Folder)
        .Where(name => File.Exists(Path.Combine(Folder, name, "partition")))
        .Select(name => (Parse(Read(Path.Combine(Folder, name, "dev"))!), name));

    private static BlockNode Of(FileStatus status) => new(status.SpecialDevice.Major, status.SpecialDevice.Minor);

    private static BlockNode Parse(string numbers)
    {
        string[] parts = numbers.Split(':');
        return new BlockNode(uint.Parse(parts[0], CultureInfo.InvariantCulture), uint.Parse(parts[1], CultureInfo.InvariantCulture));
    }

    private static string MapperName(string holder) => Read($"/sys/block/{holder}/dm/name") is { } name ? $" ({name})" : string.Empty;

    // The kernel writes blanks and backslashes of paths in octal.
    private static string Unescape(string text) => text
        .Replace(@"\040", " ", StringComparison.Ordinal)
        .Replace(@"\011", "\t", StringComparison.Ordinal)
        .Replace(@"\012", "\n", StringComparison.Ordinal)
        .Replace(@"\134", @"\", StringComparison.Ordinal);

    private static string? Read(string file) => File.Exists(file) ? File.ReadAllText(file).Trim() : null;

    private static string[] Lines(string file) => File.Exists(file) ? File.ReadAllLines(file) : [];

    private static IEnumerable<string> Names(string folder) =>
        Directory.Exists(folder) ? Directory.EnumerateDirectories(folder).Select(entry => Path.GetFileName(entry)) : [];
}
