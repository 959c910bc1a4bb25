using System.Globalization;

namespace VmCrypt.Core.Wipe.Medium;

/// <summary>What sysfs tells about a block device: what it is made of, and what an overwrite can reach on it.</summary>
public sealed record DiskFacts
{
    /// <summary>The kernel's name: <c>sda1</c>, <c>loop0</c>, <c>dm-3</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The whole disk that this is a partition of; null where it is none.</summary>
    public string? Disk { get; init; }

    /// <summary>Byte of the disk at which a partition starts.</summary>
    public long Start { get; init; }

    public string? Model { get; init; }

    public string? Serial { get; init; }

    /// <summary>The World Wide Name or another identifier that follows the disk into another machine.</summary>
    public string? Wwid { get; init; }

    /// <summary>Null where the kernel does not tell.</summary>
    public bool? Rotational { get; init; }

    public bool CanDiscard { get; init; }

    /// <summary>The file behind a loop device.</summary>
    public string? BackingFile { get; init; }

    /// <summary>Why blocks of it are not overwritten in place, in words; null where nothing says so.</summary>
    public string? NotInPlace { get; init; }

    /// <summary>The devices that it is built on.</summary>
    public IReadOnlyList<DiskFacts> Below { get; init; } = [];

    /// <summary>The device and all below it.</summary>
    internal IEnumerable<DiskFacts> Layers => Below.SelectMany(disk => disk.Layers).Prepend(this);

    /// <summary>Null where no such device is known.</summary>
    /// <param name="sys">Where sysfs is; tests have their own.</param>
    internal static DiskFacts? Of((uint Major, uint Minor) device, string sys = "/sys")
    {
        string link = Path.Combine(sys, "dev", "block", $"{device.Major}:{device.Minor}");
        string? folder = Directory.Exists(link) ? new DirectoryInfo(link).ResolveLinkTarget(returnFinalTarget: true)?.FullName : null;
        return folder is null ? null : Read(folder, sys);
    }

    private static DiskFacts Read(string folder, string sys)
    {
        string name = Path.GetFileName(folder);
        // A partition has no queue and no model; its disk, the folder above, has.
        string disk = File.Exists(Path.Combine(folder, "partition")) ? Path.GetDirectoryName(folder)! : folder;
        IReadOnlyList<DiskFacts> below = [.. Names(Path.Combine(disk, "slaves")).Select(slave => Read(Path.Combine(sys, "block", slave), sys))];
        return new DiskFacts
        {
            Name = name,
            Disk = disk == folder ? null : Path.GetFileName(disk),
            Start = disk == folder ? 0 : 512 * (Number(folder, "start") ?? 0),
            Model = Text(disk, "device/model"),
            Serial = Text(disk, "device/serial") ?? Text(disk, "serial"),
            Wwid = Text(disk, "device/wwid") ?? Text(disk, "wwid") ?? Text(disk, "dm/uuid") ?? Text(disk, "md/uuid"),
            Rotational = Text(disk, "queue/rotational") is { } rotational ? rotational != "0" : null,
            CanDiscard = Number(disk, "queue/discard_max_bytes") > 0,
            BackingFile = Text(disk, "loop/backing_file"),
            NotInPlace = Doubt(name, below.Select(part => Text(Path.Combine(sys, "block", part.Name), "dm/name") ?? string.Empty)),
            Below = below,
        };
    }

    // device-mapper does not tell its targets in sysfs, but LVM names the hidden volumes of snapshots and thin pools after their use.
    private static string? Doubt(string name, IEnumerable<string> slaves)
    {
        if (name.StartsWith("zd", StringComparison.Ordinal))
        {
            return "a ZFS volume writes every block to a new place";
        }

        if (name.StartsWith("rbd", StringComparison.Ordinal) || name.StartsWith("nbd", StringComparison.Ordinal) || name.StartsWith("drbd", StringComparison.Ordinal))
        {
            return "the blocks lie on other machines, whose copies and snapshots cannot be seen from here";
        }

        if (name.StartsWith("zram", StringComparison.Ordinal))
        {
            return "the blocks are compressed in memory";
        }

        return slaves.Select(slave => slave switch
        {
            _ when slave.EndsWith("-tpool", StringComparison.Ordinal) || slave.EndsWith("_tdata", StringComparison.Ordinal)
                => "it lies in an LVM thin pool, whose snapshots keep old blocks",
            _ when slave.EndsWith("-real", StringComparison.Ordinal) || slave.EndsWith("-cow", StringComparison.Ordinal)
                => "an LVM snapshot keeps old blocks",
            _ when slave.Contains("_vdo", StringComparison.Ordinal) => "VDO deduplicates and compresses its blocks",
            _ => null,
        }).FirstOrDefault(doubt => doubt is not null);
    }

    private static long? Number(string folder, string file) =>
        long.TryParse(Text(folder, file), NumberStyles.None, null, out long number) ? number : null;

    private static string? Text(string folder, string file)
    {
        string path = Path.Combine(folder, file);
        try
        {
            return File.Exists(path) && File.ReadAllText(path).Trim() is { Length: > 0 } text ? text : null;
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static IEnumerable<string> Names(string folder) =>
        Directory.Exists(folder) ? Directory.EnumerateFileSystemEntries(folder).Select(entry => Path.GetFileName(entry)).Order() : [];
}
