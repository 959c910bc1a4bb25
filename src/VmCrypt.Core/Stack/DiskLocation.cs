using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Stack;

/// <summary>Where a disk lies: a local file or block device, or an export of an NBD server.</summary>
public sealed class DiskLocation
{
    /// <summary>What is added to an image's path for the header of an unfinished decryption, without which the image is noise.</summary>
    public const string HeaderExtension = ".vmcrypt-header";

    private DiskLocation(string text, bool isNbd)
    {
        Text = text;
        IsNbd = isNbd;
    }

    /// <summary>The full path, or the NBD URI as given.</summary>
    public string Text { get; }

    public bool IsNbd { get; }

    /// <summary>The folder of a local file, against which relative references of the image are resolved; null for NBD.</summary>
    public string? Folder => IsNbd ? null : Path.GetDirectoryName(Text);

    /// <summary>Where the header of a local image lies while it is converted in its place and has no room for it; null for NBD and devices.</summary>
    internal string? HeaderBeside => Beside(HeaderExtension);

    /// <summary>A file that belongs to a local image, named after it; null for NBD and devices.</summary>
    internal string? Beside(string extension) => IsNbd || LocalDisk.IsBlockDevice(Text) ? null : FilePlatform.FinalPath(Text) + extension;

    /// <summary>Reads a path or an <c>nbd://</c>, <c>nbd+unix://</c>, <c>nbds://</c>, <c>nbds+unix://</c> URI.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.LocationInvalid"/>.</exception>
    public static DiskLocation Parse(string text)
    {
        if (string.IsNullOrWhiteSpace(text) || text.Contains('\0', StringComparison.Ordinal))
        {
            throw new InvalidInputException(ErrorIds.LocationInvalid, "The disk's location is empty or holds a NUL character.");
        }

        return IsNbdUri(text) ? new DiskLocation(text, isNbd: true) : new DiskLocation(Path.GetFullPath(text), isNbd: false);
    }

    public static bool IsNbdUri(string text) => NbdUri.IsMeant(text);

    public override string ToString() => Text;
}
