using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Stack;

/// <summary>What may open an image whose key slots are destroyed.</summary>
public enum KeyCopyKind
{
    /// <summary>A file in the same folder starts with the header: a backup, a detached header, a copy of the image.</summary>
    Header,

    /// <summary>An internal snapshot of a qcow2 image that has its LUKS header as guest data.</summary>
    Snapshot,

    /// <summary>The image is built on another one, which has keys of its own or none.</summary>
    Backing,

    /// <summary>What cannot be seen from here.</summary>
    Unseen,
}

/// <summary>Something that may open an image whose key slots are destroyed.</summary>
/// <param name="Path">The file; null for <see cref="KeyCopyKind.Unseen"/>.</param>
/// <param name="Message">A sentence for a person.</param>
public sealed record KeyCopy(KeyCopyKind Kind, string? Path, string Message)
{
    public override string ToString() => Message;
}

/// <summary>Looks for copies of a header where it can be looked: beside the image and inside of it.</summary>
internal static class KeyCopies
{
    // A folder with more files than this is no folder of disks.
    private const int MaxFiles = 100_000;

    private static readonly KeyCopy s_unseen = new(KeyCopyKind.Unseen, null,
        "Header backups in other places, volume keys that were exported, and what the storage itself keeps (snapshots, copies on write, flash) still open the data.");

    public static async ValueTask<KeyCopy[]> FindAsync(DiskStack disk, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        string uuid = disk.RequireLuks().Uuid;
        string holder = options.HeaderPath ?? disk.Location.Text;
        List<KeyCopy> copies = [.. Inside(disk)];
        foreach (string file in FilesBeside(disk.Location.Text, options.HeaderPath).Where(file => file != holder))
        {
            if (await FindHeaderAsync(file, uuid, cancellationToken) is { } copy)
            {
                copies.Add(copy);
            }
        }

        return [.. copies, s_unseen];
    }

    private static IEnumerable<KeyCopy> Inside(DiskStack disk)
    {
        if (disk is { Placement: EncryptionPlacement.Over, Qcow2: { } qcow2 })
        {
            foreach (string name in qcow2.Snapshots.Select(snapshot => snapshot.Name))
            {
                yield return new KeyCopy(KeyCopyKind.Snapshot, disk.Location.Text, $"The snapshot '{name}' holds the header as it was when it was taken.");
            }
        }

        if (disk.Active is { VirtualDisk: not null, Backing: { } parent })
        {
            yield return new KeyCopy(KeyCopyKind.Backing, parent.Location.Text,
                $"The parent '{parent.Location}' of the differencing disk holds the header as it was when the child was made.");
        }

        if (disk.Qcow2?.Backing is { } backing)
        {
            yield return new KeyCopy(KeyCopyKind.Backing, backing.Path,
                $"The image is built on '{backing.Path}', which holds all that the guest has not overwritten, under keys of its own or none.");
        }
    }

    private static IEnumerable<string> FilesBeside(params string?[] paths) => paths
        .OfType<string>()
        .Where(path => !DiskLocation.IsNbdUri(path) && !LocalDisk.IsBlockDevice(path))
        .Select(path => Path.GetDirectoryName(path)!)
        .Distinct(StringComparer.Ordinal)
        .SelectMany(folder => Directory.EnumerateFiles(folder).Take(MaxFiles));

    // A file that cannot be read or understood tells nothing, and opens nothing.
    private static async ValueTask<KeyCopy?> FindHeaderAsync(string file, string uuid, CancellationToken cancellationToken)
    {
        try
        {
            return FilePlatform.Current.KindOf(file) == PathKind.File && await ReadHeaderAsync(file, cancellationToken) is { } facts && facts.Uuid == uuid
                ? Describe(file, facts.Slots.Count(slot => slot.IsActive))
                : null;
        }
        catch (VmCryptException)
        {
            return null;
        }
    }

    private static KeyCopy? Describe(string file, int slots) => slots == 0
        ? null
        : new KeyCopy(KeyCopyKind.Header, file, $"The file '{file}' has the same header with {slots} key slots in use: a backup, a detached header or a copy of the image.");

    private static async ValueTask<LuksFacts?> ReadHeaderAsync(string file, CancellationToken cancellationToken)
    {
        ImageFormat format;
        var shared = new LocalDiskOptions { Locking = ImageLocking.ForceShare };
        await using (IBlockDevice device = AlignedDevice.Over(await LocalDisk.OpenAsync(file, shared, cancellationToken)))
        {
            format = await FormatProbe.RecogniseAsync(device, cancellationToken);
            if (format == ImageFormat.Luks)
            {
                return await LuksHeader.DescribeAsync(device, new LuksOpenOptions { Placement = LuksPlacement.Detached }, cancellationToken);
            }
        }

        if (format == ImageFormat.Raw)
        {
            return null;
        }

        var headers = new DiskOpenOptions { HeadersOnly = true, ForceShare = true };
        return (await ImageInspector.DescribeAsync(DiskLocation.Parse(file), headers, cancellationToken)).Luks;
    }
}
