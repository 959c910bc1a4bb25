using System.Runtime.InteropServices;

namespace VmCrypt.Core.Block.Local;

/// <summary>Who may open a file.</summary>
internal static partial class FileOwnership
{
    /// <summary>Gives a new file the owner, group and mode of the one that it replaces, as far as we may.</summary>
    public static void Copy(string from, string to)
    {
        if (OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess && FileStatus.Of(from) is { Kind: FileStatus.FileKind.Regular } status)
        {
            _ = ChOwn(to, status.UserId, status.GroupId);
            File.SetUnixFileMode(to, status.Mode);
        }
    }

    [LibraryImport("libc", EntryPoint = "chown", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChOwn(string path, uint user, uint group);
}
