using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>New disks in Hyper-V's formats.</summary>
internal static class VirtualDisks
{
    public static bool Are(ImageFormat format) => format is ImageFormat.Vhdx or ImageFormat.Vhd;

    /// <summary>A differencing disk over an encrypted parent.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.NotEncrypted"/>.</exception>
    public static NewDisk Over(ImageDescription parent, DiskLocation child, int? blockSize)
    {
        if (parent.Unusable is { } reason)
        {
            throw reason;
        }

        if (parent.Encryption != EncryptionPlacement.Over)
        {
            throw new InvalidInputException(ErrorIds.NotEncrypted,
                $"The disk {parent.Path} is not encrypted, and a differencing disk over it would not be either; make it an encrypted one with Convert-Image.");
        }

        return new NewDisk
        {
            Size = (parent.Vhdx?.VirtualSize ?? parent.Vhd?.VirtualSize)!.Value,
            Format = parent.Format,
            VirtualDisk = new VirtualDiskOptions
            {
                BlockSize = blockSize ?? parent.Vhdx?.BlockSize,
                LogicalSectorSize = parent.Vhdx?.LogicalSectorSize ?? 512,
                Parent = new VirtualDiskParent(
                    (parent.Vhdx?.DataWriteGuid ?? parent.Vhd?.UniqueId)!.Value,
                    RelativePath(parent.Path, child),
                    OperatingSystem.IsWindows() ? parent.Path : null),
            },
        };
    }

    // With backslashes, and a dot in front, whatever the system: Windows reads it, too.
    private static string RelativePath(string parent, DiskLocation child)
    {
        string path = Path.GetRelativePath(child.Folder!, parent).Replace(Path.DirectorySeparatorChar, '\\');
        return path.StartsWith('.') ? path : @".\" + path;
    }
}
